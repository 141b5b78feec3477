"""The recipe of the bundled model: everything from random weights to a calibrated file."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_acll import __version__
from napari_acll.core import LabelSettings
from napari_acll.label import (
    Atlas,
    Calibration,
    NucleusFinder,
    NucleusNamer,
    PointLabeler,
    PointModel,
    PointModelCard,
    choose_device,
)
from napari_acll.simulate import Anatomy, WormSettings
from napari_acll.training._calibration import fit_calibration
from napari_acll.training._crops import MODEL_VOXEL_UM, CropSampler
from napari_acll.training._detections import detect_all
from napari_acll.training._detector_training import train_detector
from napari_acll.training._evaluation import Scores, evaluate
from napari_acll.training._identifier_training import train_identifier
from napari_acll.training._model_card import write_model_card
from napari_acll.training._point_batches import NamedNuclei, sample_detections
from napari_acll.training._settings import TrainSettings, load_train_settings
from napari_acll.training._thresholds import choose_peak_threshold
from napari_acll.training._volumes import RenderedVolume, render_random, render_shape

logger = logging.getLogger(__name__)

_LEAST_SD_UM = 0.8
_REAL_SHARE = 0.6
"""Share of rendered animals in the last steps; the rest are sampled points, which never repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainProgress:
    """How far a training is.

    Parameters
    ----------
    phase : str
        What is being done.
    step, n_steps : int
        Steps done and steps in all of this phase.
    loss : float
        Of the last step; NaN where there is none.
    elapsed_s : float
        Since the training began, in s.
    """

    phase: str
    step: int
    n_steps: int
    loss: float
    elapsed_s: float


ProgressCallback = Callable[[TrainProgress], None]


def train(config_path: Path, out: Path, *, on_progress: ProgressCallback | None = None) -> Path:
    """Train the model of a settings file and return the file that was written.

    Parameters
    ----------
    config_path : Path
        YAML file with `TrainSettings`.
    out : Path
        Weights file to write (`.safetensors`); a model card in Markdown is put beside it.
    on_progress : callable, optional
        Called after every step.

    Raises
    ------
    SettingsError
        If the settings file is missing or wrong.
    ModelError
        If there is no such device.
    """
    return train_default(load_train_settings(config_path), out, on_progress=on_progress)


def train_default(
    settings: TrainSettings, out: Path, *, on_progress: ProgressCallback | None = None
) -> Path:
    """Train a point model on simulated animals and return the file that was written.

    Raises
    ------
    ModelError
        If there is no such device.
    """
    return _Training(settings, on_progress or _log_progress).run(out)


def _log_progress(progress: TrainProgress) -> None:
    if progress.step % 50 == 0 or progress.step == progress.n_steps:
        logger.info(
            "%s %d/%d, loss %.3f, %.0f s",
            progress.phase,
            progress.step,
            progress.n_steps,
            progress.loss,
            progress.elapsed_s,
        )


class _Training:
    """One run of the recipe."""

    def __init__(self, settings: TrainSettings, on_progress: ProgressCallback) -> None:
        self._settings = settings
        self._on_progress = on_progress
        self._start_s = time.monotonic()
        self._device = choose_device(settings.device)
        file = settings.anatomy_file
        self._anatomy = Anatomy.load(Path(file) if file else None)

    def run(self, out: Path) -> Path:
        settings = self._settings
        if settings.n_threads is not None:
            torch.set_num_threads(settings.n_threads)
        torch.manual_seed(settings.seed)
        model = PointModel.create(self._first_card(), home_of(self._anatomy))
        model.detector.to(self._device)
        model.identifier.to(self._device)
        self._train_detector(model)
        model = self._with_threshold(model)
        self._train_identifier(model)
        self._finish_identifier(model)
        return self._calibrate_and_save(model, out)

    def _first_card(self) -> PointModelCard:
        settings = self._settings
        return PointModelCard(
            names=self._anatomy.neurons.names,
            voxel_size_um=MODEL_VOXEL_UM,
            detector_width=settings.detector.width,
            identifier_width=settings.identifier.width,
            identifier_layers=settings.identifier.n_layers,
            identifier_heads=settings.identifier.n_heads,
            note=settings.note,
        )

    def _train_detector(self, model: PointModel) -> None:
        part = self._settings.detector
        sampler = CropSampler(
            self._anatomy,
            shape_px=part.crop_px,
            n_per_volume=part.crops_per_volume,
            seed=self._settings.seed,
        )
        train_detector(
            model.detector,
            sampler,
            n_steps=part.n_steps,
            batch_size=part.batch_size,
            learning_rate=part.learning_rate,
            on_step=self._reporter("detector", part.n_steps),
        )

    def _with_threshold(self, model: PointModel) -> PointModel:
        volumes = self._typical_volumes(self._settings.n_validation_volumes, purpose=21)
        threshold = choose_peak_threshold(self._finder(model, threshold=0.05), volumes)
        card = model.card.model_copy(update={"peak_threshold": threshold})
        return replace(model, card=card)

    def _train_identifier(self, model: PointModel) -> None:
        part = self._settings.identifier
        train_identifier(
            model.identifier,
            model.atlas,
            lambda rng: sample_detections(self._anatomy, rng),
            n_steps=part.n_steps,
            batch_size=part.batch_size,
            learning_rate=part.learning_rate,
            seed=self._settings.seed,
            on_step=self._reporter("identifier", part.n_steps),
        )

    def _finish_identifier(self, model: PointModel) -> None:
        """Train on what the detector really finds, errors and brightness as they come."""
        part = self._settings.identifier
        if not part.n_volumes or not part.n_final_steps:
            return
        report = self._reporter("detections", part.n_volumes)
        found: list[NamedNuclei] = []
        volumes = self._mixed_volumes(part.n_volumes, purpose=22)
        for sample in detect_all(self._finder(model), volumes, model.neurons):
            found.append(sample)
            report(len(found), float("nan"))

        def draw(rng: np.random.Generator) -> NamedNuclei:
            if rng.random() < _REAL_SHARE:
                return found[int(rng.integers(len(found)))]
            return sample_detections(self._anatomy, rng)

        train_identifier(
            model.identifier,
            model.atlas,
            draw,
            n_steps=part.n_final_steps,
            batch_size=part.batch_size,
            learning_rate=part.final_learning_rate,
            seed=self._settings.seed + 1,
            on_step=self._reporter("identifier on detections", part.n_final_steps),
        )

    def _calibrate_and_save(self, model: PointModel, out: Path) -> Path:
        """Calibrate and score the weights as they are stored, in half precision."""
        model.save(out)
        stored = PointModel.load(out)
        n = self._settings.n_calibration_volumes
        calibration = self._calibration(stored, n)
        stored = replace(stored, card=stored.card.model_copy(update={"calibration": calibration}))
        scores = self._scores(stored)
        card = stored.card.model_copy(
            update={"training": self._record(), "scores": {"simulated": scores.as_dict()}}
        )
        replace(stored, card=card).save(out)
        text = write_model_card(card, title=out.stem)
        out.with_suffix(".md").write_text(text, encoding="utf-8")
        return out

    def _calibration(self, model: PointModel, n: int) -> Calibration:
        namer = NucleusNamer(
            model.identifier,
            atlas=model.atlas,
            calibration=Calibration(),
            device=torch.device("cpu"),
        )
        report = self._reporter("calibration", n)
        logits: list[NDArray[np.float64]] = []
        true: list[NDArray[np.int64]] = []
        volumes = self._mixed_volumes(n, purpose=23)
        for sample in detect_all(self._finder(model), volumes, model.neurons):
            logits.append(namer.logits(sample.nuclei))
            true.append(sample.neuron)
            report(len(true), float("nan"))
        return fit_calibration(logits, true, fitted_on=f"{n} simulated animals")

    def _scores(self, model: PointModel) -> Scores:
        labeler = PointLabeler(model, settings=LabelSettings(device="cpu"))
        n = self._settings.n_evaluation_volumes
        return evaluate(labeler, self._typical_volumes(n, purpose=24))

    def _record(self) -> dict[str, Any]:
        return {
            "settings": self._settings.model_dump(mode="json"),
            "napari_acll": __version__,
            "torch": torch.__version__,
            "duration_s": round(time.monotonic() - self._start_s),
        }

    def _finder(self, model: PointModel, *, threshold: float | None = None) -> NucleusFinder:
        card = model.card
        return NucleusFinder(
            model.detector,
            peak_threshold=threshold or card.peak_threshold,
            foreground_threshold=card.foreground_threshold,
            max_radius_um=card.max_radius_um,
            device=self._device,
        )

    def _mixed_volumes(self, n: int, *, purpose: int) -> Iterator[RenderedVolume]:
        """Yield volumes of new animals, half of them on the usual rig, half on random ones."""
        usual = self._typical_volumes((n + 1) // 2, purpose=purpose)
        rng = np.random.default_rng([self._settings.seed, purpose, 1])
        for index in range(n):
            yield next(usual) if index % 2 == 0 else render_random(self._anatomy, rng)

    def _typical_volumes(self, n: int, *, purpose: int) -> Iterator[RenderedVolume]:
        yield from simulated_volumes(self._anatomy, n, seed=(self._settings.seed, purpose))

    def _reporter(self, phase: str, n_steps: int) -> Callable[[int, float], None]:
        def report(step: int, loss: float) -> None:
            elapsed_s = time.monotonic() - self._start_s
            self._on_progress(
                TrainProgress(
                    phase=phase, step=step, n_steps=n_steps, loss=loss, elapsed_s=elapsed_s
                )
            )

        return report


def simulated_volumes(
    anatomy: Anatomy, n: int, *, seed: tuple[int, ...]
) -> Iterator[RenderedVolume]:
    """Yield one volume each of `n` new animals on the usual rig.

    Parameters
    ----------
    anatomy : Anatomy
        Where the animals come from.
    n : int
        Animals.
    seed : tuple of int
        Decides them; other seeds give other animals.
    """
    rng = np.random.default_rng(seed)
    for _ in range(n):
        shape = anatomy.sample(rng)
        yield render_shape(shape, WormSettings(n_volumes=1), seed=int(rng.integers(2**31)))


def home_of(anatomy: Anatomy) -> Atlas:
    """Return where the neurons of an anatomy lie, and how far they stray beside the posture."""
    return Atlas(anatomy.mean_um, np.maximum(anatomy.residual_sd_um, _LEAST_SD_UM))


def atlas_of(anatomy: Anatomy) -> Atlas:
    """Return where the neurons of an anatomy lie, and how far they stray from it."""
    variance = (anatomy.modes_um**2).sum(2) + anatomy.residual_sd_um**2
    return Atlas(anatomy.mean_um, np.sqrt(variance))
