"""Labels volumes with a network of pytorch-3dunet, as the original live pipeline does."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from napari_acll.core import (
    Backend,
    Detections,
    LabeledVolume,
    LabelSettings,
    ModelError,
    NeuronTable,
    Volume,
    VolumeSpec,
)
from napari_acll.label._backend_choice import BackendChoice
from napari_acll.label._checkpoint import load_unet3d, sha256_of
from napari_acll.label._devices import choose_device
from napari_acll.label._names import names_for
from napari_acll.label._unet3d import UNet3D
from napari_acll.label._unet3d_backend import choose_unet3d_backend, in_precision
from napari_acll.label._unet3d_execution import Execution
from napari_acll.label._voxel_labels import find_detections

_logger = logging.getLogger(__name__)


class UNet3DLabeler:
    """Labeler that classifies every voxel with a network of pytorch-3dunet.

    The input is the marker channel above its background, as float, without any other
    normalization: the original live predictor applies none, and networks whose layers begin with
    a group normalization standardize the volume themselves. A voxel belongs to its most probable
    class where that is more probable than `min_probability`; the voxels of a class are one
    detection, whose probability is their mean probability of the class.

    Volumes are labeled one by one, so that the labels of a volume do not depend on what is
    labeled with it.

    Parameters
    ----------
    network : UNet3D
        The network; it is moved to `device`.
    neurons : NeuronTable
        Names of its classes.
    min_probability : float
        Voxels that are not more probable belong to no neuron; 0.75 is the original's default.
    device : str
        `auto`, `cpu` or `cuda:N`.
    backend : BackendChoice, optional
        In which numbers it computes; None: in single precision.
    max_memory_gb : float, optional
        Most memory on the device; None: what is free. Larger volumes are computed in blocks.
    provenance : mapping, optional
        What else `describe` tells, such as path and hash of the weights.

    Raises
    ------
    ModelError
        If the network takes more than one channel, gives no probabilities, or the names are not
        as many as its classes, or there is no such device.
    """

    def __init__(
        self,
        network: UNet3D,
        neurons: NeuronTable,
        *,
        min_probability: float = 0.75,
        device: str = "auto",
        backend: BackendChoice | None = None,
        max_memory_gb: float | None = None,
        provenance: Mapping[str, object] | None = None,
    ) -> None:
        _check_usable(network, neurons)
        self._device = choose_device(device)
        self._backend = backend
        dtype = torch.float32 if backend is None else backend.dtype
        self._network = in_precision(network.eval(), dtype).to(self._device)
        self._execution = Execution(
            self._network, min_probability=min_probability, max_memory_gb=max_memory_gb
        )
        if backend is not None and backend.is_graph:
            self._execution.notes.append(
                "The steps of a network that classifies voxels are not recorded as a CUDA graph:"
                " starting them takes no time beside them."
            )
        self._neurons = neurons
        self._min_probability = min_probability
        self._provenance = dict(provenance or {})

    @classmethod
    def from_settings(cls, settings: LabelSettings) -> Self:
        """Return the labeler of the checkpoint whose path is `settings.model`.

        Raises
        ------
        ModelError
            If checkpoint, configuration or name table cannot be used.
        """
        checkpoint = Path(settings.model)
        network = load_unet3d(checkpoint, settings.config_file)
        n_classes = network.config.out_channels
        sha256 = sha256_of(checkpoint)
        backend = choose_unet3d_backend(
            network,
            choose_device(settings.device),
            settings.backend,
            sha256=sha256,
            min_probability=settings.min_probability,
        )
        return cls(
            network,
            names_for(checkpoint, settings.names_file, n_classes),
            min_probability=settings.min_probability,
            device=settings.device,
            backend=backend,
            max_memory_gb=settings.max_memory_gb,
            provenance={
                "name": checkpoint.name,
                "path": str(checkpoint.resolve()),
                "sha256": sha256,
            },
        )

    @property
    def neurons(self) -> NeuronTable:
        """The neurons that the model knows."""
        return self._neurons

    @property
    def notes(self) -> Sequence[str]:
        """What is computed otherwise than usual, one sentence each: blocks instead of wholes."""
        return tuple(self._execution.notes)

    def describe(self) -> Mapping[str, object]:
        """Return name, kind, hash of the weights, device and settings, as JSON values."""
        return {
            "name": self._network.config.name,
            "kind": "unet3d",
            **self._provenance,
            "n_neurons": len(self._neurons),
            "architecture": self._network.config.model_dump(mode="json", exclude_defaults=True),
            "min_probability": self._min_probability,
            "calibration": None,
            "device": str(self._device),
            "backend": str(Backend.TORCH if self._backend is None else self._backend.backend),
            "why_backend": "" if self._backend is None else self._backend.why,
            "torch": torch.__version__,
        }

    def warm_up(self, spec: VolumeSpec, batch_size: int) -> None:  # noqa: ARG002
        """Label one made-up volume; batches are labeled volume by volume.

        Raises
        ------
        ModelError
            If the volumes are too small for the network, or too large for the memory.
        """
        least = self._network.min_shape
        if any(n < n_least for n, n_least in zip(spec.shape, least, strict=True)):
            raise ModelError(
                f"The network needs volumes of at least {_shape_text(least)} voxels (z, y, x), the"
                f" recording has {_shape_text(spec.shape)} after crop and binning; crop or bin"
                " less."
            )
        noise = np.random.default_rng(0).normal(0, 10, spec.shape).astype(np.float32)
        try:
            self._label_voxels(noise)
        except ModelError:
            raise
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            raise ModelError(
                f"The network cannot label volumes of {_shape_text(spec.shape)} voxels on"
                f" {self._device} ({_first_line(error)}); crop or bin more, or choose another"
                " device."
            ) from error

    def label(self, volumes: Sequence[Volume]) -> list[LabeledVolume]:
        """Return one labeled volume for each volume, in their order."""
        return [self._label_one(volume) for volume in volumes]

    def _label_one(self, volume: Volume) -> LabeledVolume:
        if volume.marker.size == 0 or volume.marker.min() == volume.marker.max():
            return _unlabelable(volume, "The marker channel is empty: all voxels are the same.")
        marker = volume.marker.astype(np.float32) - np.float32(volume.marker_background)
        instances, detections = self._label_voxels(marker)
        _logger.debug("Volume %d: %d neurons.", volume.index, len(detections))
        return LabeledVolume(
            index=volume.index, spec=volume.spec, instances=instances, detections=detections
        )

    def _label_voxels(self, marker: NDArray[np.float32]) -> tuple[NDArray[np.uint16], Detections]:
        return find_detections(self._execution.label(marker))


def _check_usable(network: UNet3D, neurons: NeuronTable) -> None:
    config = network.config
    if config.in_channels != 1:
        raise ModelError(
            f"The network takes {config.in_channels} channels, a live recording gives it one, the"
            " marker; choose a network that was trained on the marker channel alone."
        )
    if config.out_channels < 2:
        raise ModelError(
            "The network has one class, which is the background; choose a network with neurons."
        )
    if not config.is_segmentation:
        raise ModelError(
            "The network predicts values, not classes (is_segmentation is false); choose a"
            " segmentation network."
        )
    if len(neurons) != config.out_channels - 1:
        raise ModelError(
            f"The name table has {len(neurons)} names, the network has {config.out_channels - 1}"
            " classes besides the background; give the table of this network."
        )


def _unlabelable(volume: Volume, why_not: str) -> LabeledVolume:
    return LabeledVolume(
        index=volume.index,
        spec=volume.spec,
        instances=np.zeros(volume.marker.shape, np.uint16),
        detections=Detections.none(),
        is_labelable=False,
        why_not=why_not,
    )


def _shape_text(shape: tuple[int, int, int]) -> str:
    return " x ".join(str(n) for n in shape)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
