"""The network that finds nuclei: a small U-Net at half the resolution of the volume.

Its input lies as `(X, Y, Z)`, the longest axis first: torch picks its fast convolution for a
single volume by the size of all axes but the last, and a worm is long and thin.
"""

import copy
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, linear
from torch.nn.utils.fusion import fuse_conv_bn_eval

STRIDE = 8
"""Sizes that the network takes are multiples of this."""
_RARE_CENTER_LOGIT, _RARE_FOREGROUND_LOGIT = -5.0, -4.0


class _Block(nn.Sequential):
    """Convolution, batch normalization (folded away for inference), ReLU."""

    def __init__(self, n_in: int, n_out: int, *, size: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv3d(
                n_in, n_out, size, stride, padding=size // 2 if stride == 1 else 0, bias=False
            ),
            nn.BatchNorm3d(n_out),
            nn.ReLU(inplace=True),
        )

    def folded(self) -> nn.Sequential:
        """Return the same map without its normalization.

        Raises
        ------
        TypeError
            If this is not a convolution followed by its normalization anymore.
        """
        convolution, normalization, rectifier = self
        if not isinstance(convolution, nn.Conv3d) or not isinstance(normalization, nn.BatchNorm3d):
            raise TypeError(f"Expected a convolution and its normalization, got {self}.")
        return nn.Sequential(fuse_conv_bn_eval(convolution, normalization), rectifier)


class _Pointwise(nn.Module):
    """A convolution of one voxel as a product of matrices, which is what it is.

    torch copies the whole input of such a convolution on the CPU, to and fro.
    """

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        self.weight = nn.Parameter(convolution.weight.data.flatten(1))
        self.bias = convolution.bias

    def forward(self, maps: Tensor) -> Tensor:
        mixed = linear(maps.movedim(1, -1).to(self.weight.dtype), self.weight, self.bias)
        return mixed.movedim(-1, 1)


class DetectorNetwork(nn.Module):
    """Where nuclei have their centers, and which voxels belong to one.

    Two levels of downsampling below a stem that halves the resolution; skips are added. The
    heads tell the eight voxels below each one of the stem apart, so that the maps have the
    resolution of the input although nothing was computed at it.

    Parameters
    ----------
    width : int
        Channels after the stem; twice and four times as many below.
    """

    stride: ClassVar[int] = STRIDE

    def __init__(self, *, width: int = 16) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Sequential(_Block(1, width, size=2, stride=2), _Block(width, width))
        self.down_1 = _Block(width, 2 * width, size=2, stride=2)
        self.middle = nn.Sequential(_Block(2 * width, 2 * width), _Block(2 * width, 2 * width))
        self.down_2 = _Block(2 * width, 4 * width, size=2, stride=2)
        self.deep = nn.Sequential(_Block(4 * width, 4 * width), _Block(4 * width, 4 * width))
        self.up_2 = nn.Conv3d(4 * width, 2 * width, 1)
        self.merge_2 = _Block(2 * width, 2 * width)
        self.up_1 = nn.Conv3d(2 * width, width, 1)
        self.merge_1 = _Block(width, width)
        self.heads = nn.Conv3d(width, 16, 1)
        _start_rare(self.heads)

    def forward(self, volume: Tensor) -> Tensor:
        """Return logits of center and foreground.

        Parameters
        ----------
        volume : Tensor of float, shape (B, 1, X, Y, Z)
            Normalized marker; sizes are multiples of `STRIDE`.

        Returns
        -------
        Tensor of float, shape (B, 2, X, Y, Z)
        """
        return _unfold(self.folded_maps(volume))

    def folded_maps(self, volume: Tensor) -> Tensor:
        """Return the logits as they come out of the heads, at half the resolution.

        Parameters
        ----------
        volume : Tensor of float, shape (B, 1, X, Y, Z)
            As for `forward`.

        Returns
        -------
        Tensor of float, shape (B, 16, X / 2, Y / 2, Z / 2)
            Channel `8 c + 4 i + 2 j + k` is map `c` at voxel `(2 x + i, 2 y + j, 2 z + k)`.
        """
        fine = self.stem(volume)
        middle = self.middle(self.down_1(fine))
        deep = self.deep(self.down_2(middle))
        middle = self.merge_2(middle + interpolate(self.up_2(deep), scale_factor=2.0))
        fine = self.merge_1(fine + interpolate(self.up_1(middle), scale_factor=2.0))
        heads: Tensor = self.heads(fine)
        return heads


def _start_rare(heads: nn.Conv3d) -> None:
    """Let untrained heads find hardly anything anywhere, as is true of most voxels.

    Without this the background becomes what the network responds to, and it takes thousands of
    steps to get rid of that (Lin et al., "Focal loss for dense object detection", 2017, 4.1).
    """
    if heads.bias is not None:
        with torch.no_grad():
            heads.bias[:8] = _RARE_CENTER_LOGIT
            heads.bias[8:] = _RARE_FOREGROUND_LOGIT


def _unfold(heads: Tensor) -> Tensor:
    """Return `(B, 16, x, y, z)` as `(B, 2, 2x, 2y, 2z)`."""
    n, _, x, y, z = heads.shape
    split = heads.reshape(n, 2, 2, 2, 2, x, y, z)
    return split.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(n, 2, 2 * x, 2 * y, 2 * z)


def folded_for_inference(
    network: DetectorNetwork, dtype: torch.dtype = torch.float32
) -> DetectorNetwork:
    """Return a copy in eval mode that gives the same answer, faster.

    Parameters
    ----------
    network : DetectorNetwork
        Trained detector.
    dtype : torch.dtype
        Of all but the heads, whose logits are always of single precision.
    """
    folded = copy.deepcopy(network).eval()
    _fold_children(folded)
    for parameter in folded.parameters():
        parameter.requires_grad_(False)
    folded.to(dtype)
    folded.heads.float()
    _to_channels_last(folded)
    return folded


def _to_channels_last(module: nn.Module) -> None:
    """Lay the weights out as the fast convolutions want them."""
    for parameter in module.parameters():
        if parameter.dim() == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)


def _fold_children(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, _Block):
            setattr(module, name, child.folded())
        elif isinstance(child, nn.Conv3d):
            setattr(module, name, _Pointwise(child))
        else:
            _fold_children(child)
