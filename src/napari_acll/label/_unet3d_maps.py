"""Maps of features that are computed a box at a time, as exactly as all at once.

A network that normalizes over the whole volume cannot be run on blocks of it: each block would
be normalized by itself. So the *layers* are run in blocks instead. A map knows how to compute any
box of itself from boxes of the maps before it, the voxels around the box included; what is
normalized is measured on the whole map first. No voxel is computed twice, and there is no seam.
"""

from dataclasses import dataclass
from math import prod
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_acll.label._unet3d_boxes import Box, Triple, as_slices, boxes, triple

_SCRATCH = 2
"""A convolution may lay its input and its result out anew: counted so many times."""


class FeatureMap(Protocol):
    """Features of a volume that can be read box by box."""

    @property
    def n_channels(self) -> int:
        """Number of features."""
        ...

    @property
    def shape(self) -> Triple:
        """Voxels along `(Z, Y, X)`."""
        ...

    @property
    def is_fresh(self) -> bool:
        """Whether what is read belongs to the reader, who may write into it."""
        ...

    def read(self, box: Box) -> Tensor:
        """Return `(C, z, y, x)` of a box."""
        ...

    def working_values(self, shape: Triple) -> int:
        """Return how many numbers the reading of a box of a shape holds at most."""
        ...


def block_within(feature_map: FeatureMap, most_values: int) -> Triple:
    """Return the largest box whose reading holds no more numbers than given.

    The longest side is halved until it fits, for compact boxes have few neighbors.

    Parameters
    ----------
    feature_map : FeatureMap
        What is read.
    most_values : int
        Numbers; one voxel is read in any case.
    """
    sides = list(feature_map.shape)
    while prod(sides) > 1 and feature_map.working_values(triple(sides)) > most_values:
        longest = max(range(3), key=lambda axis: sides[axis])
        sides[longest] = (sides[longest] + 1) // 2
    return triple(sides)


class StoredMap:
    """A map that is there, on the device that computes or beside it.

    Parameters
    ----------
    values : Tensor, shape (C, Z, Y, X)
        The map.
    device : torch.device
        Where it is read to.
    """

    is_fresh = False

    def __init__(self, values: Tensor, device: torch.device) -> None:
        self.values = values
        self._device = device
        self.n_channels = values.shape[0]
        self.shape = triple(values.shape[1:])

    def read(self, box: Box) -> Tensor:
        """Return `(C, z, y, x)` of a box."""
        return self.values[(slice(None), *as_slices(box))].to(self._device, non_blocking=True)

    def working_values(self, shape: Triple) -> int:
        """Return how many numbers a box holds that is copied to the device."""
        return 0 if self.values.device == self._device else self.n_channels * prod(shape)


@dataclass(slots=True)
class _ChangedMap:
    """A map with the features and voxels of another, each of them changed."""

    is_fresh: ClassVar[bool] = True

    source: FeatureMap

    @property
    def n_channels(self) -> int:
        """As before."""
        return self.source.n_channels

    @property
    def shape(self) -> Triple:
        """As before."""
        return self.source.shape


@dataclass(slots=True)
class ScaledMap(_ChangedMap):
    """A map times one number for each channel, plus another: any normalization."""

    scale: Tensor
    shift: Tensor

    def read(self, box: Box) -> Tensor:
        """Return `(C, z, y, x)` of a box."""
        there = self.source.read(box)
        scale, shift = (part.to(there.dtype)[:, None, None, None] for part in _pair(self))
        return torch.addcmul(shift, there, scale)

    def working_values(self, shape: Triple) -> int:
        """Return how many numbers the reading of a box of a shape holds at most."""
        return self.source.working_values(shape) + self.n_channels * prod(shape)


def _pair(scaled: ScaledMap) -> tuple[Tensor, Tensor]:
    return scaled.scale, scaled.shift


@dataclass(slots=True)
class ActivatedMap(_ChangedMap):
    """A map after a nonlinearity."""

    activation: nn.Module

    def read(self, box: Box) -> Tensor:
        """Return `(C, z, y, x)` of a box."""
        there = self.source.read(box)
        # the nonlinearities of the network write into what they are given
        activated: Tensor = self.activation(there if self.source.is_fresh else there.clone())
        return activated

    def working_values(self, shape: Triple) -> int:
        """Return how many numbers the reading of a box of a shape holds at most."""
        own = 0 if self.source.is_fresh else self.n_channels * prod(shape)
        return self.source.working_values(shape) + own


class ConvolvedMap:
    """A map after a convolution of stride 1, zeros around the volume."""

    is_fresh = True

    def __init__(self, source: FeatureMap, convolution: nn.Conv3d) -> None:
        self._source = source
        self._convolution = convolution
        self._kernel = triple(convolution.kernel_size)
        self._padding = triple([int(n) for n in convolution.padding])
        self.n_channels = convolution.out_channels
        self.shape = triple(
            [
                n + 2 * p - k + 1
                for n, k, p in zip(source.shape, self._kernel, self._padding, strict=True)
            ]
        )

    def read(self, box: Box) -> Tensor:
        """Return `(C, z, y, x)` of a box, computed from the voxels around it, too."""
        inside: list[tuple[int, int]] = []
        outside: list[int] = []
        sizes = zip(box, self._source.shape, self._kernel, self._padding, strict=True)
        for (start, stop), n, kernel, padding in sizes:
            first, last = start - padding, stop - padding + kernel - 1
            inside.append((max(first, 0), min(last, n)))
            outside = [max(-first, 0), max(last - n, 0), *outside]  # torch begins at the last axis
        z, y, x = inside
        there = self._source.read((z, y, x))
        if any(outside):
            there = functional.pad(there, outside)
        weight, bias = self._convolution.weight, self._convolution.bias
        return functional.conv3d(there[None], weight, bias)[0]

    def working_values(self, shape: Triple) -> int:
        """Return how many numbers the reading of a box of a shape holds at most."""
        grown = triple([n + k - 1 for n, k in zip(shape, self._kernel, strict=True)])
        n_in, n_out = self._source.n_channels * prod(grown), self.n_channels * prod(shape)
        return self._source.working_values(grown) + (1 + _SCRATCH) * n_in + _SCRATCH * n_out


class PooledMap:
    """The largest of each few voxels; what is left over at the far end is dropped."""

    is_fresh = True

    def __init__(self, source: FeatureMap, size: Triple) -> None:
        self._source = source
        self._size = size
        self.n_channels = source.n_channels
        self.shape = triple([n // k for n, k in zip(source.shape, size, strict=True)])

    def read(self, box: Box) -> Tensor:
        """Return `(C, z, y, x)` of a box."""
        z, y, x = ((a * k, b * k) for (a, b), k in zip(box, self._size, strict=True))
        return functional.max_pool3d(self._source.read((z, y, x))[None], self._size)[0]

    def working_values(self, shape: Triple) -> int:
        """Return how many numbers the reading of a box of a shape holds at most."""
        below = triple([n * k for n, k in zip(shape, self._size, strict=True)])
        return self._source.working_values(below) + self.n_channels * prod(shape)


class NearestMap:
    """A map brought to another size by its nearest voxels, as torch chooses them."""

    is_fresh = True

    def __init__(self, source: FeatureMap, shape: Triple) -> None:
        self._source = source
        self.n_channels = source.n_channels
        self.shape = shape
        self._nearest = [_nearest(n, m) for n, m in zip(source.shape, shape, strict=True)]

    def read(self, box: Box) -> Tensor:
        """Return `(C, z, y, x)` of a box."""
        chosen = [
            nearest[start:stop] for nearest, (start, stop) in zip(self._nearest, box, strict=True)
        ]
        z, y, x = ((int(index[0]), int(index[-1]) + 1) for index in chosen)
        there = self._source.read((z, y, x))
        for axis, index in enumerate(chosen, start=1):
            there = there.index_select(axis, (index - index[0]).to(there.device))
        return there

    def working_values(self, shape: Triple) -> int:
        """Return how many numbers the reading of a box of a shape holds at most."""
        below = triple(
            [
                min(n * m // k + 2, m)
                for n, m, k in zip(shape, self._source.shape, self.shape, strict=True)
            ]
        )
        return self._source.working_values(below) + 2 * self.n_channels * prod(shape)


def _nearest(n_before: int, n_after: int) -> Tensor:
    """Return which voxel torch takes for each one after, asked of torch itself."""
    ruler = torch.arange(n_before, dtype=torch.float32)[None, None]
    return functional.interpolate(ruler, size=n_after, mode="nearest")[0, 0].long()


class DeconvolvedMap:
    """A map after a transposed convolution of stride 2 and padding 1.

    Parameters
    ----------
    source : FeatureMap
        The coarser map.
    convolution : nn.ConvTranspose3d
        The weights.
    shape : tuple of int
        `(Z, Y, X)` of the result.
    """

    is_fresh = True

    def __init__(self, source: FeatureMap, convolution: nn.ConvTranspose3d, shape: Triple) -> None:
        self._source = source
        self._convolution = convolution
        self._kernel = triple(convolution.kernel_size)
        self.n_channels = convolution.out_channels
        self.shape = shape

    def read(self, box: Box) -> Tensor:
        """Return `(C, z, y, x)` of a box."""
        needed: list[tuple[int, int]] = []
        wanted: list[slice] = []
        for (start, stop), n, kernel in zip(box, self._source.shape, self._kernel, strict=True):
            # voxel i of the source adds to voxels 2 i - 1 ... 2 i - 2 + kernel
            first = max((start + 3 - kernel) // 2, 0)
            last = min(stop // 2 + 1, n)
            first = min(first, last - 1)
            needed.append((first, last))
            wanted.append(slice(start - 2 * first + 1, stop - 2 * first + 1))
        z, y, x = needed
        weight, bias = self._convolution.weight, self._convolution.bias
        there = self._source.read((z, y, x))[None]
        enlarged = functional.conv_transpose3d(there, weight, bias, stride=2, output_padding=1)
        return enlarged[0][(slice(None), *wanted)].contiguous()

    def working_values(self, shape: Triple) -> int:
        """Return how many numbers the reading of a box of a shape holds at most."""
        below = triple([n // 2 + k for n, k in zip(shape, self._kernel, strict=True)])
        enlarged = triple([2 * n + k for n, k in zip(below, self._kernel, strict=True)])
        n_in, n_out = self._source.n_channels * prod(below), self.n_channels * prod(enlarged)
        return self._source.working_values(below) + _SCRATCH * n_in + (1 + _SCRATCH) * n_out


@dataclass(slots=True)
class _CombinedMap:
    """Two maps of the same voxels made one."""

    is_fresh: ClassVar[bool] = True

    first: FeatureMap
    second: FeatureMap

    @property
    def n_channels(self) -> int:
        """Of each."""
        return self.first.n_channels

    @property
    def shape(self) -> Triple:
        """Of each."""
        return self.first.shape

    def working_values(self, shape: Triple) -> int:
        """Return how many numbers the reading of a box of a shape holds at most."""
        parts = self.first.working_values(shape) + self.second.working_values(shape)
        return parts + self.n_channels * prod(shape)


@dataclass(slots=True)
class JoinedMap(_CombinedMap):
    """Channels of one map, then those of another."""

    @property
    def n_channels(self) -> int:
        """Of both."""
        return self.first.n_channels + self.second.n_channels

    def read(self, box: Box) -> Tensor:
        """Return `(C, z, y, x)` of a box."""
        return torch.cat((self.first.read(box), self.second.read(box)))


@dataclass(slots=True)
class SummedMap(_CombinedMap):
    """The sum of two maps."""

    def read(self, box: Box) -> Tensor:
        """Return `(C, z, y, x)` of a box."""
        return self.first.read(box) + self.second.read(box)


def channel_moments(feature_map: FeatureMap, block: Triple) -> tuple[Tensor, Tensor]:
    """Return mean and variance of each channel over the whole map.

    Parameters
    ----------
    feature_map : FeatureMap
        The map.
    block : tuple of int
        Boxes in which it is read.

    Returns
    -------
    mean, variance : Tensor of float64, shape (C,)
        On the CPU.

    References
    ----------
    Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances", 1979: how the moments of boxes become those of the whole.
    """
    n = 0
    mean = torch.zeros(feature_map.n_channels, dtype=torch.float64)
    squares = torch.zeros_like(mean)
    for box in boxes(feature_map.shape, block):
        part = feature_map.read(box).flatten(1).float()
        variance, center = torch.var_mean(part, dim=1, correction=0)
        n_new = part.shape[1]
        far = center.cpu().double() - mean
        squares += variance.cpu().double() * n_new + far**2 * (n * n_new / (n + n_new))
        mean += far * (n_new / (n + n_new))
        n += n_new
    return mean, squares / max(n, 1)
