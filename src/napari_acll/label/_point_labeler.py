"""The bundled default model: nuclei as instances first, then a name for each."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray

from napari_acll.core import (
    NOVELTY_LIMIT,
    Backend,
    LabeledVolume,
    LabelSettings,
    NeuronTable,
    Volume,
    VolumeSpec,
)
from napari_acll.label._devices import choose_device
from napari_acll.label._fitness import sharpness, unfit_image
from napari_acll.label._kept_memory import keep_memory
from napari_acll.label._novelty import agreement_of, volume_statistics
from napari_acll.label._point_finder import FoundNuclei, NucleusFinder
from napari_acll.label._point_image import PreparedVolume, check_geometry, prepare
from napari_acll.label._point_labels import (
    Evidence,
    labeled_volume,
    nucleus_table,
    unlabeled,
    without_names,
)
from napari_acll.label._point_model import PointModel, read_card
from napari_acll.label._point_namer import NucleusNamer, NucleusTable
from napari_acll.label._point_peaks import mean_around
from napari_acll.label._registry import ModelInfo
from napari_acll.label._step_clock import StepClock
from napari_acll.naming import assign_names

if TYPE_CHECKING:
    from napari_acll.label._backend_choice import BackendChoice

logger = logging.getLogger(__name__)

DEFAULT_MODEL_FILE = Path(__file__).parent / "models" / "default.safetensors"
MIN_NUCLEI = 15
"""Fewer nuclei have no recognizable arrangement."""
MIRROR_EVERY = 4
"""One in so many volumes is compared with its mirror image, which costs one more pass: a recording
is mirrored as a whole, or not at all."""


class PointLabeler:
    """Finds nuclei with a small network and names them by their arrangement and looks.

    Each name is given at most once. Recordings of other voxel sizes are resampled to that of the
    model and their labels brought back.

    Parameters
    ----------
    model : PointModel
        Weights and card.
    settings : LabelSettings
        Where it runs.
    path : Path, optional
        File that the model came from.
    backend : BackendChoice, optional
        How the detector computes; None: in single precision.

    Attributes
    ----------
    clock : StepClock
        How long the steps of the last volume took.
    """

    def __init__(
        self,
        model: PointModel,
        *,
        settings: LabelSettings,
        path: Path | None = None,
        backend: "BackendChoice | None" = None,
    ) -> None:
        self._model = model
        self._backend = backend
        self.clock = StepClock()
        self._path = path
        self._device = choose_device(settings.device)
        self._atlas_um = model.atlas.mean_um
        self._homologues = model.neurons.homologues()
        card = model.card
        self.finder = NucleusFinder(
            model.detector,
            peak_threshold=card.peak_threshold,
            foreground_threshold=card.foreground_threshold,
            max_radius_um=card.max_radius_um,
            device=self._device,
            dtype=torch.float32 if backend is None else backend.dtype,
            is_graph=backend is not None and backend.is_graph,
        )
        self.namer = NucleusNamer(
            model.identifier,
            atlas=model.atlas,
            calibration=card.calibration,
            device=self._device,
        )

    @classmethod
    def from_settings(cls, settings: LabelSettings) -> Self:
        """Return the labeler of a setting; `default` is the bundled model.

        Raises
        ------
        ModelError
            If the file is missing, damaged or another kind of model, or there is no such device.
        """
        is_path = settings.model.endswith(DEFAULT_MODEL_FILE.suffix)
        path = Path(settings.model).expanduser() if is_path else DEFAULT_MODEL_FILE
        from napari_acll.label._point_backend import choose_backend

        model = PointModel.load(path)
        backend = choose_backend(model, choose_device(settings.device), settings.backend)
        return cls(model, settings=settings, path=path, backend=backend)

    @classmethod
    def info(cls, name: str) -> ModelInfo:
        """Return what a list of models says about the bundled one."""
        import hashlib

        card = read_card(DEFAULT_MODEL_FILE)
        return ModelInfo(
            name=name,
            kind="points",
            path=str(DEFAULT_MODEL_FILE),
            sha256=hashlib.sha256(DEFAULT_MODEL_FILE.read_bytes()).hexdigest(),
            n_neurons=len(card.names),
            description=card.note or "Finds nuclei, then names them by their arrangement.",
        )

    @property
    def neurons(self) -> NeuronTable:
        """The neurons that the model knows."""
        return self._model.neurons

    @property
    def notes(self) -> Sequence[str]:
        """What had to be done otherwise than the settings say, one sentence each."""
        return self.finder.notes

    def describe(self) -> Mapping[str, object]:
        """Return name, kind, hash of the weights, device and calibration, as JSON values."""
        card = self._model.card
        return {
            "name": self._path.stem if self._path else "unsaved",
            "kind": "points",
            "path": str(self._path or ""),
            "sha256": self._model.sha256,
            "device": str(self._device),
            "backend": str(Backend.TORCH if self._backend is None else self._backend.backend),
            "why_backend": "" if self._backend is None else self._backend.why,
            "n_neurons": len(card.names),
            "voxel_size_um": list(card.voxel_size_um),
            "calibration": card.calibration.model_dump(mode="json"),
            "calibrated_on": card.calibration.fitted_on,
            "knows_what_is_usual": card.reference is not None,
            "scores": card.scores,
            "note": card.note,
        }

    def warm_up(self, spec: VolumeSpec, batch_size: int) -> None:
        """Do everything that makes the first volume slow; batches are labeled one by one.

        Raises
        ------
        ModelError
            If the voxel size is not known, or the volumes are too thin or too large.
        """
        check_geometry(spec.shape, spec.voxel_size_um, self._model.card.voxel_size_um)
        keep_memory()
        logger.info("warming up for %s voxels, batches up to %d", spec.shape, batch_size)
        rng = np.random.default_rng(0)
        blank = rng.integers(90, 110, spec.shape, dtype=np.uint16)
        for counts in (blank.astype(np.uint32), blank):  # binned ones may be wider
            prepared = self._prepare(counts, 0.0, spec)
            unfit_image(prepared, sharpness(prepared))
            mean_around(prepared.counts, prepared.dark, np.zeros((1, 3), np.float32), (1, 1, 1))
        found = self.finder.find(prepared)
        some = rng.normal(0, 15, (40, 3))
        ones = np.ones(len(some))
        nuclei = NucleusTable(position_um=some, brightness=ones, radius_um=ones, height=ones)
        self.namer.probabilities(nuclei)
        logger.debug("warm, %d nuclei in a blank volume", len(found))

    def label(self, volumes: Sequence[Volume]) -> list[LabeledVolume]:
        """Return one labeled volume for each volume, in their order.

        Raises
        ------
        ModelError
            If the volumes are too thin or too large.
        """
        return [self._label_one(volume) for volume in volumes]

    def nuclei(self, volume: Volume) -> tuple[FoundNuclei, NucleusTable]:
        """Return the nuclei of a volume before they are named."""
        found = self.finder.find(self._prepared(volume))
        return found, nucleus_table(found)

    def _prepared(self, volume: Volume) -> PreparedVolume:
        model_um = self._model.card.voxel_size_um
        check_geometry(volume.spec.shape, volume.spec.voxel_size_um, model_um)
        return self._prepare(volume.marker, volume.marker_background, volume.spec)

    def _prepare(
        self, marker: NDArray[np.unsignedinteger], background: float, spec: VolumeSpec
    ) -> PreparedVolume:
        return prepare(
            marker,
            background=background,
            voxel_um=spec.voxel_size_um,
            model_um=self._model.card.voxel_size_um,
        )

    def evidence(self, found: FoundNuclei, *, sharp: float) -> Evidence:
        """Return the names that found nuclei may have, and how the volume looks.

        Parameters
        ----------
        found : FoundNuclei
            Its nuclei.
        sharp : float
            Its sharpness.
        """
        table = nucleus_table(found)
        look = self.namer.look(table)
        neuron, _ = assign_names(look.chance)
        statistics = volume_statistics(
            table.position_um,
            table.radius_um,
            chance=look.chance,
            neuron=neuron,
            atlas_um=self._atlas_um,
            homologues=self._homologues,
            sharpness=sharp,
        )
        return Evidence(table=table, look=look, neuron=neuron, statistics=statistics)

    def _label_one(self, volume: Volume) -> LabeledVolume:
        self.clock.restart()
        prepared = self._prepared(volume)
        sharp = sharpness(prepared)
        why_not = unfit_image(prepared, sharp)
        if why_not:
            return unlabeled(volume, why_not)
        self.clock.done("prepare")
        found = self.finder.find(prepared, self.clock)
        self.clock.done("peaks and instances")
        if len(found) < MIN_NUCLEI:
            return unlabeled(
                volume,
                f"Only {len(found)} nuclei were found, {MIN_NUCLEI} are needed to name any; the"
                " animal may be out of the field.",
            )
        evidence = self.evidence(found, sharp=sharp)
        labeled = labeled_volume(volume, prepared, found, evidence, self._model.card.calibration)
        if volume.index % MIRROR_EVERY == 0:
            handedness = self.namer.handedness(evidence.table, evidence.look)
            labeled = replace(labeled, handedness=handedness)
        judged = self._judged(labeled, evidence)
        self.clock.done("names")
        return judged

    def _judged(self, labeled: LabeledVolume, evidence: Evidence) -> LabeledVolume:
        """Return the volume with what is odd about it, without names if they would be guesses."""
        reference = self._model.card.reference
        if reference is None:
            return labeled
        novelty = reference.novelty(evidence.statistics)
        is_odd = novelty >= NOVELTY_LIMIT
        why_novel = reference.reasons(evidence.statistics) if is_odd else ""
        labeled = replace(labeled, novelty=novelty, why_novel=why_novel)
        if agreement_of(evidence.look.chance) >= reference.least_agreement():
            return labeled
        reasons = reference.reasons(evidence.statistics)
        return replace(
            labeled,
            detections=without_names(labeled.detections),
            is_labelable=False,
            why_not=f"The nuclei do not lie as those of a whole head ({reasons}).",
            novelty=max(novelty, NOVELTY_LIMIT),
            why_novel=reasons,
        )
