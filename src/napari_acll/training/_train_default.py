"""The recipe of the bundled model: everything from random weights to a calibrated file."""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_acll import __version__
from napari_acll.core import LabelSettings, ModelError
from napari_acll.label import (
    NucleusFinder,
    PointLabeler,
    PointModel,
    choose_device,
)
from napari_acll.training._animals import Herd
from napari_acll.training._calibrated_model import calibrate_model
from napari_acll.training._detections import detect_all, unlisted_hidden
from napari_acll.training._evaluation import Scores, evaluate
from napari_acll.training._identifier_training import train_identifier
from napari_acll.training._loop import LoopPlan
from napari_acll.training._model_card import write_model_card
from napari_acll.training._point_batches import NamedNuclei
from napari_acll.training._point_worlds import PointWorlds, WorldMix
from napari_acll.training._progress import ProgressCallback, Reporter
from napari_acll.training._settings import TrainSettings
from napari_acll.training._thresholds import choose_thresholds, threshold_volumes
from napari_acll.training._train_networks import train_networks
from napari_acll.training._volumes import RenderedVolume

_RENDERED_SHARE = 0.6
"""Share of rendered animals in the last steps; the rest are sampled points, which never repeat."""


def train_default(
    settings: TrainSettings,
    out: Path,
    *,
    on_progress: ProgressCallback | None = None,
    is_resumed: bool = False,
) -> Path:
    """Train a point model on simulated animals and return the file that was written.

    Parameters
    ----------
    settings : TrainSettings
        Everything that decides the model.
    out : Path
        Weights file to write (`.safetensors`); a model card in Markdown is put beside it. While
        it trains, its state lies in a folder of that name ending in `.parts`.
    on_progress : callable, optional
        Called after every step.
    is_resumed : bool
        Go on where a training of the same settings was stopped, instead of starting again.

    Raises
    ------
    ModelError
        If there is no such device, or the state of a training cannot be resumed.
    """
    folder = state_folder(settings, out, is_resumed=is_resumed)
    path = _Training(settings, folder, Reporter(on_progress)).run(out)
    shutil.rmtree(folder, ignore_errors=True)
    return path


def state_folder(settings: TrainSettings, out: Path, *, is_resumed: bool) -> Path:
    """Return the folder of a training's state, emptied unless it is resumed.

    Raises
    ------
    ModelError
        If the state is of a training with other settings.
    """
    folder = out.with_suffix(".parts")
    kept = folder / "settings.json"
    if not is_resumed:
        shutil.rmtree(folder, ignore_errors=True)
    elif kept.exists():
        saved = TrainSettings.model_validate_json(kept.read_text(encoding="utf-8"))
        if saved != settings:
            raise ModelError(
                f"Expected the state of a training with these settings in {folder}, it is of"
                " others; use its settings again, or start without --resume."
            )
    folder.mkdir(parents=True, exist_ok=True)
    kept.write_text(settings.model_dump_json(indent=2), encoding="utf-8")
    return folder


class _Training:
    """One run of the recipe."""

    def __init__(self, settings: TrainSettings, folder: Path, reporter: Reporter) -> None:
        self._settings = settings
        self._folder = folder
        self._reporter = reporter
        self._device = choose_device(settings.device)
        self._herd = Herd.from_settings(settings)

    def run(self, out: Path) -> Path:
        settings = self._settings
        if settings.n_threads is not None:
            torch.set_num_threads(settings.n_threads)
        model = train_networks(settings, self._folder, self._reporter)
        model.detector.to(self._device).eval()
        model.identifier.to(self._device).eval()
        model = self._with_threshold(model)
        self._finish_identifier(model)
        return self._calibrate_and_save(model, out)

    def _with_threshold(self, model: PointModel) -> PointModel:
        n = self._settings.n_validation_volumes
        volumes = threshold_volumes(self._herd.anatomy, n, seed=self._seed(21))
        chosen = choose_thresholds(self._finder(model, threshold=0.05), volumes)
        update = {"peak_threshold": chosen.peak, "foreground_threshold": chosen.foreground}
        card = model.card.model_copy(update=update)
        return replace(model, card=card)

    def _finish_identifier(self, model: PointModel) -> None:
        """Train on what the detector really finds, errors and brightness as they come."""
        part = self._settings.identifier
        if not part.n_volumes or not part.n_final_steps:
            return
        volumes = self._herd.learning_volumes(part.n_volumes, seed=self._seed(22))
        found = self._detected(model, volumes, "detections", part.n_volumes)

        worlds = PointWorlds(self._herd.anatomy, self._herd.heads)

        def draw(rng: np.random.Generator) -> NamedNuclei:
            if rng.random() >= _RENDERED_SHARE:
                return worlds.detections(rng)
            sample = found[int(rng.integers(len(found)))]
            is_hidden = rng.random() < WorldMix().hidden_share
            return unlisted_hidden(sample, rng) if is_hidden else sample

        train_identifier(
            model.identifier,
            model.atlas,
            draw,
            batch_size=part.batch_size,
            seed=self._settings.seed + 1,
            plan=LoopPlan(
                n_steps=part.n_final_steps,
                learning_rate=part.final_learning_rate,
                checkpoint=self._folder / "final.state",
                checkpoint_every=self._settings.checkpoint_every,
            ),
            on_step=self._reporter.phase("identifier on detections", part.n_final_steps),
        )

    def _calibrate_and_save(self, model: PointModel, out: Path) -> Path:
        """Calibrate and score the weights as they are stored, in half precision."""
        model.save(out)
        stored = PointModel.load(out)
        stored = self._calibrated(stored)
        scores = self._scores(stored)
        card = stored.card.model_copy(
            update={"training": self._record(), "scores": {"simulated": scores.as_dict()}}
        )
        replace(stored, card=card).save(out)
        text = write_model_card(card, title=out.stem)
        out.with_suffix(".md").write_text(text, encoding="utf-8")
        return out

    def _calibrated(self, model: PointModel) -> PointModel:
        n = self._settings.n_calibration_volumes
        report = self._reporter.phase("calibration", n)
        return calibrate_model(
            model,
            self._herd.calibration_volumes(n, seed=self._seed(23)),
            fitted_on=f"{n} rendered volumes of {self._herd.calibration_words}",
            on_volume=lambda number: report(number, float("nan")),
        )

    def _detected(
        self, model: PointModel, volumes: Iterable[RenderedVolume], phase: str, n: int
    ) -> list[NamedNuclei]:
        report = self._reporter.phase(phase, n)
        found: list[NamedNuclei] = []
        for sample in detect_all(self._finder(model), volumes, model.neurons):
            found.append(sample)
            report(len(found), float("nan"))
        return found

    def _scores(self, model: PointModel) -> Scores:
        labeler = PointLabeler(model, settings=LabelSettings(device="cpu"))
        n = self._settings.n_evaluation_volumes
        return evaluate(labeler, self._herd.typical_volumes(n, seed=self._seed(24)))

    def _record(self) -> dict[str, Any]:
        return {
            "settings": self._settings.model_dump(mode="json"),
            "napari_acll": __version__,
            "torch": torch.__version__,
            "data": self._herd.hashes,
            "duration_s": round(self._reporter.elapsed_s),
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

    def _seed(self, purpose: int) -> tuple[int, ...]:
        return (self._settings.seed, purpose)
