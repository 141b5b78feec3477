"""The networks of pytorch-3dunet, `UNet3D` and `ResidualUNet3D`, to run its checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_acll.label._unet3d_blocks import (
    Decoder,
    Encoder,
    Interpolation,
    LayerSpec,
    ResidualBlock,
    ResizedDeconvolution,
    SizedDeconvolution,
    conv_layer,
    double_conv,
)
from napari_acll.label._unet3d_config import UNet3DConfig

_SLOPE = 0.01
_SLOPE_OF_OLDER_VERSIONS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkVersion:
    """In what the versions of pytorch-3dunet differ; seen in the names of the weights.

    Parameters
    ----------
    has_layer_entry : bool
        Residual blocks begin with a whole convolution layer (older) rather than with a 1x1x1
        convolution where the number of channels changes (newer).
    has_sized_deconvolution : bool
        Transposed convolutions are asked for the encoder's size (older) rather than resized to
        it (newer).
    has_deconvolution_bias : bool
        Transposed convolutions have a bias (older).
    """

    has_layer_entry: bool = False
    has_sized_deconvolution: bool = False
    has_deconvolution_bias: bool = False

    @classmethod
    def of_weights(cls, weights: Mapping[str, object]) -> Self:
        """Return the version that wrote a state dict."""
        prefix = "decoders.0.upsampling.upsample."
        return cls(
            has_layer_entry="encoders.0.basic_module.conv1.conv.weight" in weights,
            has_sized_deconvolution=f"{prefix}weight" in weights,
            has_deconvolution_bias=f"{prefix}conv_transposed.bias" in weights,
        )


class UNet3D(nn.Module):
    """A network of pytorch-3dunet, plain or residual.

    Parameters
    ----------
    config : UNet3DConfig
        The architecture.
    version : NetworkVersion
        Which version of pytorch-3dunet it is built like; the default is the newest.

    Raises
    ------
    ModelError
        If the channels of a layer cannot be divided into the groups of the configuration.

    References
    ----------
    Çiçek et al., "3D U-Net: Learning Dense Volumetric Segmentation from Sparse Annotation",
    MICCAI 2016. Lee et al., "Superhuman Accuracy on the SNEMI3D Connectomics Challenge", 2017
    (the residual variant). Wolny et al., eLife 2020, doi:10.7554/eLife.57613 (pytorch-3dunet).
    """

    def __init__(
        self,
        config: UNet3DConfig,
        version: NetworkVersion = NetworkVersion(),
    ) -> None:
        super().__init__()
        self.config = config
        builder = _Builder(config, version)
        widths = config.widths
        self.encoders = nn.ModuleList(builder.encoder(level) for level in range(len(widths)))
        self.decoders = nn.ModuleList(
            builder.decoder(level) for level in reversed(range(len(widths) - 1))
        )
        self.final_conv = nn.Conv3d(widths[0], config.out_channels, 1)

    def features(self, x: Tensor) -> Tensor:
        """Return what the final 1x1x1 convolution turns into classes.

        Parameters
        ----------
        x : Tensor of float, shape (B, C, Z, Y, X)
            Input.

        Returns
        -------
        Tensor of float, shape (B, F, Z, Y, X)
        """
        encoded: list[Tensor] = []
        for encoder in self.encoders:
            x = encoder(x)
            encoded.append(x)
        encoded.pop()
        for decoder in self.decoders:
            x = decoder(encoded.pop(), x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of shape (B, classes, Z, Y, X)."""
        logits: Tensor = self.final_conv(self.features(x))
        return logits

    def activation(self, logits: Tensor, *, dim: int) -> Tensor:
        """Return the probabilities of logits whose classes lie along `dim`."""
        return logits.sigmoid() if self.config.final_sigmoid else logits.softmax(dim)

    @torch.inference_mode()
    def probabilities(self, volume: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return the probability of every class at every voxel.

        This writes the whole class map; the live path never does (see `label_voxels`).

        Parameters
        ----------
        volume : ndarray of real numbers, shape (Z, Y, X), or (C, Z, Y, X)
            One input channel, or the input channels of the network.

        Returns
        -------
        ndarray of float32, shape (classes, Z, Y, X)

        Raises
        ------
        ValueError
            If the volume has another number of axes or channels, or is too small.
        """
        x = self.as_input(volume)
        probabilities: NDArray[np.float32] = self.activation(self(x), dim=1)[0].cpu().numpy()
        return probabilities

    def as_input(self, volume: NDArray[np.generic]) -> Tensor:
        """Return a volume as float input `(1, C, Z, Y, X)` where the weights are.

        Raises
        ------
        ValueError
            If the volume has another number of axes or channels, or is too small.
        """
        return self.checked(volume).to(self.final_conv.weight.device)

    def checked(self, volume: NDArray[np.generic]) -> Tensor:
        """Return a volume as float input `(1, C, Z, Y, X)` on the CPU.

        Raises
        ------
        ValueError
            If the volume has another number of axes or channels, or is too small.
        """
        channels = volume[np.newaxis] if volume.ndim == 3 else volume
        n_channels = self.config.in_channels
        if channels.ndim != 4 or len(channels) != n_channels:
            raise ValueError(
                f"Expected a volume of {n_channels} channel(s), (Z, Y, X) or (C, Z, Y, X), got"
                f" shape {volume.shape}."
            )
        if any(n < least for n, least in zip(channels.shape[1:], self.min_shape, strict=True)):
            raise ValueError(
                f"Expected a volume of at least {self.min_shape} voxels, got {volume.shape}."
            )
        x = torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32))
        return x[None]

    @property
    def layer_dtype(self) -> torch.dtype:
        """The numbers in which all layers but the last compute."""
        return next(self.encoders.parameters()).dtype

    def in_layer_numbers(self, x: Tensor) -> Tensor:
        """Return an input in the numbers of the layers, cut off where these end.

        Half precision ends at 65504, which binned counts exceed: one infinite voxel would leave
        nothing of a volume that is normalized as a whole.
        """
        dtype = self.layer_dtype
        if dtype is torch.float16:
            most = torch.finfo(dtype).max
            x = x.clamp(-most, most)
        return x.to(dtype)

    @property
    def min_shape(self) -> tuple[int, int, int]:
        """Smallest `(Z, Y, X)` that the network takes."""
        return self.config.min_shape()


class _Builder:
    """Builds the levels of a network."""

    def __init__(self, config: UNet3DConfig, version: NetworkVersion) -> None:
        self._config = config
        self._version = version
        older = version.has_layer_entry or version.has_sized_deconvolution
        slope = _SLOPE_OF_OLDER_VERSIONS if older else _SLOPE
        self._spec = LayerSpec(
            order=config.layer_order,
            n_groups=config.num_groups,
            kernel_size=config.conv_kernel_size,
            # The residual blocks of the reference do not pass the padding on.
            padding=(1, 1, 1) if config.is_residual else config.conv_padding,
            slope=slope if config.leaky_relu_slope is None else config.leaky_relu_slope,
        )

    def encoder(self, level: int) -> Encoder:
        config = self._config
        n_out = config.widths[level]
        n_in = config.widths[level - 1] if level else config.in_channels
        n_between = max(n_out if config.conv_upscale == 1 else n_out // 2, n_in)
        pool_size = config.pool_kernel_size if level else None
        return Encoder(self._block(n_in, n_out, n_between), pool_size)

    def decoder(self, level: int) -> Decoder:
        config = self._config
        n_out, n_below = config.widths[level], config.widths[level + 1]
        is_summed = config.is_residual and config.upsample == "default"
        if is_summed or config.upsample == "deconv":
            upsampling = self._deconvolution(n_below, n_out)
            n_joined = n_out if is_summed else 2 * n_out
        else:
            mode = {"default": "nearest", None: "none"}.get(config.upsample, config.upsample)
            upsampling = Interpolation(mode or "none")
            n_joined = n_out + n_below
        return Decoder(self._block(n_joined, n_out, n_out), upsampling, is_summed=is_summed)

    def _block(self, n_in: int, n_out: int, n_between: int) -> nn.Module:
        if not self._config.is_residual:
            return double_conv(n_in, n_out, self._spec, n_between=n_between)
        return ResidualBlock(n_out, self._spec, self._entry(n_in, n_out))

    def _entry(self, n_in: int, n_out: int) -> nn.Module:
        if self._version.has_layer_entry:
            return conv_layer(n_in, n_out, self._spec)
        return nn.Identity() if n_in == n_out else nn.Conv3d(n_in, n_out, 1)

    def _deconvolution(self, n_in: int, n_out: int) -> nn.Module:
        kernel_size = self._config.conv_kernel_size
        if self._version.has_sized_deconvolution:
            return SizedDeconvolution(n_in, n_out, kernel_size)
        has_bias = self._version.has_deconvolution_bias
        return ResizedDeconvolution(n_in, n_out, kernel_size, has_bias=has_bias)
