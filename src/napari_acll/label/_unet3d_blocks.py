"""Building blocks of the networks of pytorch-3dunet, with its names for the weights.

Written from the published architecture, so that checkpoints of that project load; the names of
submodules (`SingleConv1`, `groupnorm`, `basic_module` ...) are therefore not ours to choose.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_acll.core import ModelError

Triple = tuple[int, int, int]

_RESIDUAL_SLOPE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    """What all convolution layers of a network share.

    Parameters
    ----------
    order : str
        One letter per operation: `c` convolution, `g` group and `b` batch normalization, `r`
        ReLU, `l` leaky ReLU, `e` ELU, `d` and `D` dropout.
    n_groups : int
        Groups of a group normalization; one group where there are fewer channels.
    kernel_size, padding : tuple of int
        Of the convolutions, along `(Z, Y, X)`.
    slope : float
        Of the leaky ReLU.
    """

    order: str
    n_groups: int
    kernel_size: Triple
    padding: Triple
    slope: float


def conv_layer(n_in: int, n_out: int, spec: LayerSpec) -> nn.Sequential:
    """Return one convolution with the normalization and nonlinearity around it.

    Raises
    ------
    ModelError
        If the channels cannot be divided into the groups.
    """
    layer = nn.Sequential()
    n_channels = n_in
    for letter in spec.order:
        name, module = _operation(letter, n_channels, n_out, spec)
        layer.add_module(name, module)
        if letter == "c":
            n_channels = n_out
    return layer


def _operation(letter: str, n_in: int, n_out: int, spec: LayerSpec) -> tuple[str, nn.Module]:
    match letter:
        case "c":
            has_bias = not set("gb") & set(spec.order)
            return "conv", nn.Conv3d(
                n_in, n_out, spec.kernel_size, padding=spec.padding, bias=has_bias
            )
        case "g":
            return "groupnorm", nn.GroupNorm(_n_groups(n_in, spec.n_groups), n_in)
        case "b":
            return "batchnorm", nn.BatchNorm3d(n_in)
        case "r":
            return "ReLU", nn.ReLU(inplace=True)
        case "l":
            return "LeakyReLU", nn.LeakyReLU(spec.slope, inplace=True)
        case "e":
            return "ELU", nn.ELU(inplace=True)
        case _:
            return "dropout" if letter == "d" else "dropout2d", nn.Dropout()


def _n_groups(n_channels: int, n_groups: int) -> int:
    if n_channels < n_groups:
        return 1
    if n_channels % n_groups:
        raise ModelError(
            f"A layer of {n_channels} channels cannot be divided into {n_groups} groups; correct"
            " num_groups or f_maps in the configuration."
        )
    return n_groups


def double_conv(n_in: int, n_out: int, spec: LayerSpec, *, n_between: int) -> nn.Sequential:
    """Return two convolution layers, `n_between` channels in between."""
    block = nn.Sequential()
    block.add_module("SingleConv1", conv_layer(n_in, n_between, spec))
    block.add_module("SingleConv2", conv_layer(n_between, n_out, spec))
    return block


class ResidualBlock(nn.Module):
    """Two convolution layers with a shortcut around them.

    Parameters
    ----------
    n_in, n_out : int
        Channels before and after.
    spec : LayerSpec
        Of the convolution layers.
    entry : nn.Module
        What brings the input to `n_out` channels, before the shortcut branches off.
    """

    def __init__(self, n_out: int, spec: LayerSpec, entry: nn.Module) -> None:
        super().__init__()
        self.conv1 = entry
        self.conv2 = conv_layer(n_out, n_out, spec)
        self.conv3 = conv_layer(n_out, n_out, _without_nonlinearity(spec))
        self.non_linearity = _last_nonlinearity(spec.order)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of shape `(B, n_out, Z, Y, X)`."""
        shortcut = self.conv1(x)
        out = self.conv3(self.conv2(shortcut))
        out += shortcut
        activated: Tensor = self.non_linearity(out)
        return activated


def _without_nonlinearity(spec: LayerSpec) -> LayerSpec:
    order = "".join(letter for letter in spec.order if letter not in "rle")
    return LayerSpec(
        order=order,
        n_groups=spec.n_groups,
        kernel_size=spec.kernel_size,
        padding=spec.padding,
        slope=spec.slope,
    )


def _last_nonlinearity(order: str) -> nn.Module:
    if "l" in order:
        return nn.LeakyReLU(_RESIDUAL_SLOPE, inplace=True)
    if "e" in order:
        return nn.ELU(inplace=True)
    return nn.ReLU(inplace=True)


class Interpolation(nn.Module):
    """Enlarges features to the size of the encoder's by interpolation; has no weights."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        """Return `x` at a size; as it is where the mode is `none`."""
        if self._mode == "none":
            return x
        return functional.interpolate(x, size=size, mode=self._mode)


class SizedDeconvolution(nn.Module):
    """Transposed convolution that is asked for the encoder's size (older pytorch-3dunet)."""

    def __init__(self, n_in: int, n_out: int, kernel_size: Triple) -> None:
        super().__init__()
        self._kernel_size = kernel_size
        self.upsample = nn.ConvTranspose3d(n_in, n_out, kernel_size, stride=2, padding=1)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        """Return `x` with `n_out` channels at a size.

        Where pooling dropped a row, which the older versions refuse, the result is resized as
        the newer ones do.
        """
        z, y, x_ = x.shape[2:]
        reachable = self.reachable((z, y, x_), tuple(size))
        enlarged: Tensor = self.upsample(x, list(reachable))
        same = tuple(size) == reachable
        return enlarged if same else functional.interpolate(enlarged, size=size)

    def reachable(self, below: Triple, size: tuple[int, ...]) -> Triple:
        """Return the size nearest to a wanted one that the convolution can give."""
        least = [2 * m - 4 + k for m, k in zip(below, self._kernel_size, strict=True)]
        z, y, x = (min(max(n, low), low + 1) for n, low in zip(size, least, strict=True))
        return z, y, x


class _Deconvolution(nn.Module):
    def __init__(self, n_in: int, n_out: int, kernel_size: Triple, *, has_bias: bool) -> None:
        super().__init__()
        self.conv_transposed = nn.ConvTranspose3d(
            n_in, n_out, kernel_size, stride=2, padding=1, bias=has_bias
        )


class ResizedDeconvolution(nn.Module):
    """Transposed convolution, then nearest neighbor to the encoder's size (newer ones)."""

    def __init__(self, n_in: int, n_out: int, kernel_size: Triple, *, has_bias: bool) -> None:
        super().__init__()
        self.upsample = _Deconvolution(n_in, n_out, kernel_size, has_bias=has_bias)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        """Return `x` with `n_out` channels at a size."""
        return functional.interpolate(self.upsample.conv_transposed(x), size=size)


class Encoder(nn.Module):
    """Pooling, except on the first level, and a block."""

    def __init__(self, block: nn.Module, pool_size: Triple | None) -> None:
        super().__init__()
        self.pooling = None if pool_size is None else nn.MaxPool3d(pool_size)
        self.basic_module = block

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of this level."""
        pooled = x if self.pooling is None else self.pooling(x)
        features: Tensor = self.basic_module(pooled)
        return features


class Decoder(nn.Module):
    """Enlarges features, joins them with the encoder's, and a block.

    Parameters
    ----------
    block, upsampling : nn.Module
        What the decoder is made of.
    is_summed : bool
        Whether the two are added rather than concatenated, encoder first.
    """

    def __init__(self, block: nn.Module, upsampling: nn.Module, *, is_summed: bool) -> None:
        super().__init__()
        self.upsampling = upsampling
        self.basic_module = block
        self.is_summed = is_summed

    def forward(self, encoded: Tensor, x: Tensor) -> Tensor:
        """Return the features of this level."""
        x = self.upsampling(x, encoded.shape[2:])
        joined = encoded + x if self.is_summed else torch.cat((encoded, x), dim=1)
        features: Tensor = self.basic_module(joined)
        return features
