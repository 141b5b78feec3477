"""A network of pytorch-3dunet, layer by layer in blocks, with bounded memory.

Equal to the network on the whole volume up to rounding, whatever the blocks are, because the
statistics of each normalization are those of the whole volume. What must be kept between the
layers are whole maps, two of the finest level at most; they may lie in the memory of the
computer while the blocks are computed on a card.
"""

import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from napari_acll.label._unet3d import UNet3D
from napari_acll.label._unet3d_blocks import (
    Decoder,
    Encoder,
    Interpolation,
    ResidualBlock,
    ResizedDeconvolution,
    SizedDeconvolution,
)
from napari_acll.label._unet3d_boxes import Triple, as_slices, boxes
from napari_acll.label._unet3d_config import UNet3DConfig
from napari_acll.label._unet3d_maps import (
    ActivatedMap,
    ConvolvedMap,
    DeconvolvedMap,
    FeatureMap,
    JoinedMap,
    NearestMap,
    PooledMap,
    ScaledMap,
    StoredMap,
    SummedMap,
    block_within,
    channel_moments,
)

_NORMALIZATIONS = (nn.GroupNorm, nn.BatchNorm3d)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPlan:
    """How a network is run in blocks.

    Parameters
    ----------
    most_values : int
        Numbers that the computation of one block may hold.
    keeps_on_device : bool
        Whether the maps between the layers stay on the device; else in the computer's memory.
    """

    most_values: int
    keeps_on_device: bool = True


def can_run_in_blocks(config: UNet3DConfig) -> bool:
    """Return whether every layer of a network can be computed box by box.

    Interpolation between voxels (`trilinear`, `area`), which the original does not use, cannot.
    """
    return config.upsample in ("default", "nearest", "deconv", None) and not (
        config.is_residual and config.upsample is None
    )


class LayerwiseNetwork:
    """Computes the features of a network in blocks.

    Parameters
    ----------
    network : UNet3D
        In evaluation mode, where it computes.
    plan : BlockPlan
        How large the blocks are, and where maps are kept.

    Attributes
    ----------
    most_kept_values : int
        The most numbers that maps between the layers held at a time, in the last volume.
    """

    def __init__(self, network: UNet3D, plan: BlockPlan) -> None:
        self._network = network
        self._plan = plan
        self._device = network.final_conv.weight.device
        self._dtype = network.layer_dtype
        self._n_kept = 0
        self.most_kept_values = 0

    def features(self, x: Tensor) -> FeatureMap:
        """Return what the final convolution turns into classes; its last layer is yet to read.

        Parameters
        ----------
        x : Tensor of float, shape (1, C, Z, Y, X)
            Input, anywhere.
        """
        self._n_kept = self.most_kept_values = 0
        current: FeatureMap = StoredMap(self._network.in_layer_numbers(x[0]), self._device)
        encoded: list[FeatureMap] = []
        for encoder in cast("Iterable[Encoder]", self._network.encoders):
            if encoder.pooling is not None:
                current = PooledMap(current, _as_triple(encoder.pooling.kernel_size))
            current = self._block(encoder.basic_module, current)
            encoded.append(current)
        encoded.pop()
        n_decoders = len(self._network.decoders)
        decoders = cast("Iterable[Decoder]", self._network.decoders)
        for number, decoder in enumerate(decoders, start=1):
            joined = self._joined(decoder, encoded.pop(), current)
            del current  # what is not needed anymore must not be held
            current = self._block(decoder.basic_module, joined, is_last=number == n_decoders)
            del joined
        return current

    def block_of(self, feature_map: FeatureMap) -> Triple:
        """Return the boxes in which a map is read."""
        return block_within(feature_map, self._plan.most_values)

    def _joined(self, decoder: Decoder, encoded: FeatureMap, below: FeatureMap) -> FeatureMap:
        enlarged = _enlarged(decoder.upsampling, below, encoded.shape)
        if decoder.is_summed:
            return SummedMap(encoded, enlarged)
        return JoinedMap(encoded, enlarged)

    def _block(self, block: nn.Module, source: FeatureMap, *, is_last: bool = False) -> FeatureMap:
        if isinstance(block, ResidualBlock):
            return self._residual(block, source)
        first, second = block.children()
        between = self._layer(first, source)
        del source
        return self._layer(second, between, is_last=is_last)

    def _residual(self, block: ResidualBlock, source: FeatureMap) -> FeatureMap:
        entry = block.conv1
        if isinstance(entry, nn.Conv3d):
            source = self._stored(ConvolvedMap(source, entry))
        elif isinstance(entry, nn.Sequential):
            source = self._layer(entry, source)
        deeper = self._layer(block.conv3, self._layer(block.conv2, source))
        return self._stored(ActivatedMap(SummedMap(deeper, source), block.non_linearity))

    def _layer(self, layer: nn.Module, source: FeatureMap, *, is_last: bool = False) -> FeatureMap:
        """Return the map after a layer; what a convolution gave is computed once and kept.

        The very last layer is not: it is read once, by whoever asks for classes.
        """
        modules = [module for module in layer.children() if not isinstance(module, nn.Dropout)]
        is_unread = False
        for module, following in zip(modules, [*modules[1:], None], strict=True):
            source = self._after(module, source)
            is_unread |= isinstance(module, nn.Conv3d)
            if is_unread and (
                isinstance(following, _NORMALIZATIONS) or (following is None and not is_last)
            ):
                source, is_unread = self._stored(source), False
        return source

    def _after(self, module: nn.Module, source: FeatureMap) -> FeatureMap:
        if isinstance(module, nn.Conv3d):
            return ConvolvedMap(source, module)
        if isinstance(module, nn.GroupNorm):
            return ScaledMap(source, *self._group_scaling(module, source))
        if isinstance(module, nn.BatchNorm3d):
            return ScaledMap(source, *_batch_scaling(module))
        return ActivatedMap(source, module)

    def _group_scaling(self, norm: nn.GroupNorm, source: FeatureMap) -> tuple[Tensor, Tensor]:
        """Return scale and shift of each channel, from statistics of the whole map."""
        mean, variance = channel_moments(source, self.block_of(source))
        by_group = mean.reshape(norm.num_groups, -1)
        center = by_group.mean(1, keepdim=True)
        spread = variance.reshape(norm.num_groups, -1) + (by_group - center) ** 2
        rate = (spread.mean(1, keepdim=True) + norm.eps).rsqrt()
        return _scaling(norm, center.expand_as(by_group).ravel(), rate.expand_as(by_group).ravel())

    def _stored(self, source: FeatureMap) -> StoredMap:
        """Compute a map and keep it."""
        where = self._device if self._plan.keeps_on_device else torch.device("cpu")
        kept = torch.empty(
            (source.n_channels, *source.shape),
            dtype=self._dtype,
            device=where,
            pin_memory=where.type == "cpu" and self._device.type == "cuda",
        )
        self._count(kept)
        for box in boxes(source.shape, self.block_of(source)):
            kept[(slice(None), *as_slices(box))].copy_(source.read(box))
        return StoredMap(kept, self._device)

    def _count(self, kept: Tensor) -> None:
        n = kept.numel()
        self._n_kept += n
        self.most_kept_values = max(self.most_kept_values, self._n_kept)
        weakref.finalize(kept, self._uncount, n)

    def _uncount(self, n: int) -> None:
        self._n_kept -= n


def _as_triple(size: int | Triple) -> Triple:
    return (size, size, size) if isinstance(size, int) else size


def _enlarged(upsampling: nn.Module, below: FeatureMap, shape: Triple) -> FeatureMap:
    if isinstance(upsampling, Interpolation):
        return NearestMap(below, shape)
    if isinstance(upsampling, ResizedDeconvolution):
        convolution = upsampling.upsample.conv_transposed
        z, y, x = (
            2 * n - 4 + k for n, k in zip(below.shape, convolution.kernel_size, strict=True)
        )
        return NearestMap(DeconvolvedMap(below, convolution, (z, y, x)), shape)
    if isinstance(upsampling, SizedDeconvolution):
        reachable = upsampling.reachable(below.shape, shape)
        enlarged = DeconvolvedMap(below, upsampling.upsample, reachable)
        return enlarged if reachable == shape else NearestMap(enlarged, shape)
    raise TypeError(f"Expected a known way of enlarging a map, got {type(upsampling).__name__}.")


def _batch_scaling(norm: nn.BatchNorm3d) -> tuple[Tensor, Tensor]:
    if norm.running_mean is None or norm.running_var is None:
        raise TypeError("Expected a batch normalization that knows its statistics.")
    rate = (norm.running_var.double().cpu() + norm.eps).rsqrt()
    return _scaling(norm, norm.running_mean.double().cpu(), rate)


def _scaling(
    norm: nn.GroupNorm | nn.BatchNorm3d, center: Tensor, rate: Tensor
) -> tuple[Tensor, Tensor]:
    weight, bias = norm.weight.double().cpu(), norm.bias.double().cpu()
    scale = weight * rate
    shift = bias - center * scale
    device = norm.weight.device
    return scale.float().to(device), shift.float().to(device)
