"""Nuclei of one volume: the detector network, then peaks and instances."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_acll.label._fixed_shapes import FixedShapeRunner
from napari_acll.label._point_detector import STRIDE, DetectorNetwork, folded_for_inference
from napari_acll.label._point_image import PreparedVolume
from napari_acll.label._point_maps import sparse_maps, unfolded
from napari_acll.label._point_numba import jit
from napari_acll.label._point_peaks import find_peaks, grow_instances, mean_around
from napari_acll.label._step_clock import StepClock


@dataclass(frozen=True, slots=True, eq=False)
class FoundNuclei:
    """Nuclei of one volume, on the grid of the model.

    Parameters
    ----------
    position_px : ndarray of float32, shape (n, 3)
        Centers, `(z, y, x)`.
    height : ndarray of float32, shape (n,)
        Probability of the center.
    instances : ndarray of uint16, shape (z, y, x)
        `row + 1` in the voxels of each nucleus.
    n_voxels : ndarray of int32, shape (n,)
        Their number.
    brightness : ndarray of float32, shape (n,)
        Marker counts above background around the center.
    voxel_size_um : tuple of float
        `(Z, Y, X)`.
    """

    position_px: NDArray[np.float32]
    height: NDArray[np.float32]
    instances: NDArray[np.uint16]
    n_voxels: NDArray[np.int32]
    brightness: NDArray[np.float32]
    voxel_size_um: tuple[float, float, float]

    def __len__(self) -> int:
        return len(self.height)

    @property
    def position_um(self) -> NDArray[np.float64]:
        """Centers in um, `(n, 3)`."""
        position: NDArray[np.float64] = self.position_px * np.asarray(self.voxel_size_um)
        return position

    @property
    def radius_um(self) -> NDArray[np.float64]:
        """Radius of a ball of each nucleus's size, in um."""
        volume = self.n_voxels * float(np.prod(self.voxel_size_um))
        radius: NDArray[np.float64] = np.cbrt(volume * 3 / (4 * np.pi))
        return radius


class NucleusFinder:
    """Finds the nuclei of prepared volumes.

    Parameters
    ----------
    network : DetectorNetwork
        Trained detector.
    peak_threshold, foreground_threshold : float
        Lowest peak of the smoothed probability of a center, and least probable voxel of a nucleus.
    max_radius_um : float
        No nucleus reaches farther.
    device : torch.device
        Where the network runs.
    dtype : torch.dtype
        Numbers in which it computes, all but the last step.
    is_graph : bool
        Whether the network's steps are recorded, for the shape of whole volumes: on a GPU zeros
        around the animal cost little, and a record holds for one shape.
    """

    def __init__(
        self,
        network: DetectorNetwork,
        *,
        peak_threshold: float,
        foreground_threshold: float,
        max_radius_um: float,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        is_graph: bool = False,
    ) -> None:
        folded = folded_for_inference(network, dtype).to(device)
        self._runner = FixedShapeRunner(
            lambda image: folded.folded_maps(image)[0].movedim(0, -1).contiguous(),
            device=device,
            dtype=dtype,
            memory_format=torch.channels_last_3d,
            is_graph=is_graph,
        )
        self._peak_threshold = peak_threshold
        self._foreground_logit = _logit(foreground_threshold)
        self._max_radius_um = max_radius_um

    @property
    def notes(self) -> Sequence[str]:
        """What had to be done otherwise than asked for, one sentence each."""
        return tuple(self._runner.notes)

    def find(self, prepared: PreparedVolume, clock: StepClock | None = None) -> FoundNuclei:
        """Return the nuclei of one volume.

        Parameters
        ----------
        prepared : PreparedVolume
            The volume.
        clock : StepClock, optional
            Is told when the network is done.
        """
        box = prepared.bright
        image = prepared.image[box]
        heads = self._heads(image, within=prepared.image.shape)
        if clock is not None:
            clock.done("network")
        maps = sparse_maps(heads, image.shape, foreground_logit=self._foreground_logit)
        position, height = find_peaks(maps, self._peak_threshold)
        z, y, x = (self._max_radius_um / size for size in prepared.voxel_size_um)
        inside, n_voxels = grow_instances(maps.is_foreground, position, radius_px=(z, y, x))
        instances = np.zeros(prepared.image.shape, np.uint16)
        instances[box] = inside
        position += np.array([part.start for part in box], np.float32)
        return FoundNuclei(
            position_px=position,
            height=height,
            instances=instances,
            n_voxels=n_voxels,
            brightness=mean_around(prepared.counts, prepared.dark, position, (1, 1, 1)),
            voxel_size_um=prepared.voxel_size_um,
        )

    def logits(
        self, image: NDArray[np.float32], *, within: tuple[int, ...] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the logits of center and foreground, each of the shape of the image.

        Parameters
        ----------
        image : ndarray of float32, shape (z, y, x)
            A part of a normalized volume.
        within : tuple of int, optional
            Shape of the volume, to which the image is filled up where steps are recorded.
        """
        n_z, n_y, n_x = image.shape
        maps = unfolded(self._heads(image, within=within))[:, :n_z, :n_y, :n_x]
        return maps[0], maps[1]

    def _heads(
        self, image: NDArray[np.float32], *, within: tuple[int, ...] | None
    ) -> NDArray[np.float32]:
        """Return what the heads say, `(x, y, z, 16)` at half the resolution."""
        filled = within if within is not None and self._runner.is_graph else image.shape
        with torch.inference_mode():
            heads = self._runner.fetch(self._runner(_as_input(image, filled)))
        n_x, n_y, n_z = ((n + -n % STRIDE) // 2 for n in reversed(image.shape))
        return np.ascontiguousarray(heads[:n_x, :n_y, :n_z])


def _as_input(image: NDArray[np.float32], shape: tuple[int, ...]) -> Tensor:
    """Return an image and then zeros, `(1, 1, X, Y, Z)` of sizes that the network can divide."""
    n_x, n_y, n_z = (n + -n % STRIDE for n in reversed(shape))
    turned = np.zeros((n_x, n_y, n_z), np.float32)
    _turn(image, turned)
    return torch.from_numpy(turned)[None, None]


@jit
def _turn(image: NDArray[np.float32], turned: NDArray[np.float32]) -> None:
    """Turn `(Z, Y, X)` into `(X, Y, Z)`, in tiles that fit into the nearest cache."""
    n_z, n_y, n_x = image.shape
    tile = 16
    for y in range(n_y):
        for z_tile in range(0, n_z, tile):
            for x_tile in range(0, n_x, tile):
                for x in range(x_tile, min(x_tile + tile, n_x)):
                    line = turned[x, y]
                    for z in range(z_tile, min(z_tile + tile, n_z)):
                        line[z] = image[z, y, x]


def _logit(probability: float) -> float:
    return float(np.log(probability / (1 - probability)))
