"""A point model that goes on learning from a handful of a lab's labeled volumes."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_acll import __version__
from napari_acll.core import LabelSettings, ModelError, RecordingError, SettingsError
from napari_acll.label import (
    NucleusFinder,
    PointLabeler,
    PointModel,
    available_models,
    choose_device,
)
from napari_acll.training._animals import Herd
from napari_acll.training._calibrated_model import calibrate_model
from napari_acll.training._crops import CropSampler
from napari_acll.training._detections import detect_all
from napari_acll.training._detector_training import train_detector
from napari_acll.training._identifier_training import train_identifier
from napari_acll.training._lab_data import LabData, open_lab_data
from napari_acll.training._lab_points import (
    as_volume,
    detected,
    matched_nuclei,
    model_classes,
    painted,
    view,
)
from napari_acll.training._lab_volume import LabVolume
from napari_acll.training._loop import LoopPlan
from napari_acll.training._model_card import write_model_card
from napari_acll.training._painted import PaintedVolume
from napari_acll.training._point_batches import NamedNuclei
from napari_acll.training._point_worlds import PointWorlds
from napari_acll.training._progress import ProgressCallback, Reporter
from napari_acll.training._settings import TrainSettings
from napari_acll.training._train_default import state_folder

_LEAST_NAMED = 8
"""With fewer named nuclei a volume does not tell how the animal lies."""
_NO_LOSS = float("nan")


def fine_tune(
    settings: TrainSettings,
    out: Path,
    *,
    start: str,
    is_resumed: bool = False,
    on_progress: ProgressCallback | None = None,
) -> Path:
    """Train a point model further on labeled volumes and return the file that was written.

    The detector learns from all nuclei that annotators marked, the identifier from those that
    they named; a nucleus without a known name teaches no name. Simulated worms are mixed in, lest
    the model forgets what the lab's few animals do not show. The probabilities are calibrated on
    simulated worms; `acll calibrate-names` calibrates them on the rig.

    Parameters
    ----------
    settings : TrainSettings
        `data` says which volumes, `fine_tuning` how.
    out : Path
        Weights file to write (`.safetensors`); a model card in Markdown is put beside it.
    start : str
        Name of an installed point model, or path of its file.
    is_resumed : bool
        Go on where a training of the same settings was stopped, instead of starting again.
    on_progress : callable, optional
        Called after every step.

    Raises
    ------
    SettingsError
        If the settings have no labeled volumes.
    ModelError
        If the model to start from cannot be used, or the state cannot be resumed.
    RecordingError
        If a volume cannot be read, or none has enough names.
    """
    if settings.data is None:
        raise SettingsError("Fine-tuning needs labeled volumes; give them as `data`.")
    if settings.n_threads is not None:
        torch.set_num_threads(settings.n_threads)
    path = model_file(start)
    folder = state_folder(settings, out, is_resumed=is_resumed)
    tuning = _Tuning(settings, open_lab_data(settings.data), folder, Reporter(on_progress))
    tuned = tuning.run(PointModel.load(path))
    _save(tuned, out, start=path.name)
    shutil.rmtree(folder, ignore_errors=True)
    return out


def model_file(start: str) -> Path:
    """Return the file of an installed model, or the one at a path.

    Raises
    ------
    ModelError
        If there is none.
    """
    for info in available_models():
        if info.name == start and info.path:
            return Path(info.path)
    path = Path(start).expanduser()
    if not path.is_file():
        raise ModelError(
            f"There is no model {start!r} to start from; give `default` or the path of a weights"
            " file."
        )
    return path


class _LabCrops(CropSampler):
    """Crops of a lab's volumes among those of virtual worms."""

    def __init__(self, volumes: list[PaintedVolume], share: float, **simulated: Any) -> None:
        super().__init__(**simulated)
        self._volumes = volumes
        self._share = share

    def _volume(self, rng: np.random.Generator) -> PaintedVolume:
        if rng.random() < self._share:
            return self._volumes[int(rng.integers(len(self._volumes)))]
        return super()._volume(rng)


class _Tuning:
    """One fine-tuning: the data, and where its state is kept."""

    def __init__(
        self, settings: TrainSettings, data: LabData, folder: Path, reporter: Reporter
    ) -> None:
        self._settings, self._part = settings, settings.fine_tuning
        self._data, self._folder, self._reporter = data, folder, reporter
        self._device = choose_device(settings.device)
        self._herd = Herd.from_settings(settings)
        self._repeatable = frozenset(settings.data.repeatable_names if settings.data else ())

    def run(self, model: PointModel) -> PointModel:
        volumes = [self._data.load(item) for item in self._data.train]
        apart = [self._data.load(item) for item in self._data.validation]
        before = share_right(model, apart, self._repeatable)
        model.detector.to(self._device)
        model.identifier.to(self._device)
        self._tune_detector(model, volumes)
        self._tune_identifier(model, volumes)
        stored = self._calibrated(_as_stored(model, self._folder))
        after = share_right(stored, apart, self._repeatable)
        lab = {"n_volumes": len(apart), "right": after, "right_before": before}
        said = f"Fine-tuned on {len(volumes)} labeled volumes."
        card = stored.card.model_copy(
            update={
                "training": stored.card.training | {"fine_tuned": self._record(len(volumes))},
                "scores": {} if after is None else {"lab": lab},
                "note": f"{stored.card.note} {said}".strip(),
            }
        )
        return replace(stored, card=card)

    def _record(self, n_volumes: int) -> dict[str, Any]:
        return {
            "settings": self._settings.model_dump(mode="json"),
            "n_volumes": n_volumes,
            "napari_acll": __version__,
            "torch": str(torch.__version__),
            "duration_s": round(self._reporter.elapsed_s),
        }

    def _tune_detector(self, model: PointModel, volumes: list[LabVolume]) -> None:
        part, shape = self._part, self._settings.detector
        if not part.detector_steps:
            return
        sampler = _LabCrops(
            [painted(volume) for volume in volumes],
            part.lab_share,
            anatomy=self._herd.anatomy,
            shape_px=shape.crop_px,
            n_per_volume=shape.crops_per_volume,
            seed=self._settings.seed + 2,
        )
        train_detector(
            model.detector,
            sampler,
            batch_size=shape.batch_size,
            plan=self._plan("detector", part.detector_steps, part.detector_learning_rate),
            on_step=self._reporter.phase("detector", part.detector_steps),
        )

    def _tune_identifier(self, model: PointModel, volumes: list[LabVolume]) -> None:
        part = self._part
        if not part.identifier_steps:
            return
        train_identifier(
            model.identifier,
            model.atlas,
            self._draw(self._lab_samples(model, volumes), self._simulated_samples(model)),
            batch_size=self._settings.identifier.batch_size,
            seed=self._settings.seed + 2,
            plan=self._plan("identifier", part.identifier_steps, part.identifier_learning_rate),
            on_step=self._reporter.phase("identifier", part.identifier_steps),
        )

    def _draw(
        self, lab: list[NamedNuclei], simulated: list[NamedNuclei]
    ) -> Callable[[np.random.Generator], NamedNuclei]:
        worlds = PointWorlds(self._herd.anatomy, self._herd.heads)

        def draw(rng: np.random.Generator) -> NamedNuclei:
            if rng.random() < self._part.lab_share:
                return lab[int(rng.integers(len(lab)))]
            if rng.random() < 0.5:
                return simulated[int(rng.integers(len(simulated)))]
            return worlds.detections(rng)

        return draw

    def _lab_samples(self, model: PointModel, volumes: list[LabVolume]) -> list[NamedNuclei]:
        """Return detections in views of the volumes that have enough names."""
        finder = self._finder(model)
        rng = np.random.default_rng([self._settings.seed, 51])
        report = self._reporter.phase("detections", len(volumes))
        samples: list[NamedNuclei] = []
        for number, volume in enumerate(volumes, start=1):
            for _ in range(self._part.n_views):
                changed = view(volume, rng)
                classes = model_classes(changed, model.neurons, self._repeatable)
                sample = detected(finder, changed, classes)
                if (sample.neuron > 0).sum() >= _LEAST_NAMED:
                    samples.append(sample)
            report(number, _NO_LOSS)
        if not samples:
            raise RecordingError(
                f"No volume has {_LEAST_NAMED} named nuclei that the detector finds and the model"
                " knows; name more nuclei, or check names and voxel size."
            )
        return samples

    def _simulated_samples(self, model: PointModel) -> list[NamedNuclei]:
        n = self._part.n_simulated
        report = self._reporter.phase("simulated worms", n)
        volumes = self._herd.learning_volumes(n, seed=(self._settings.seed, 52))
        found: list[NamedNuclei] = []
        for sample in detect_all(self._finder(model), volumes, model.neurons):
            found.append(sample)
            report(len(found), _NO_LOSS)
        return found

    def _calibrated(self, model: PointModel) -> PointModel:
        n = self._settings.n_calibration_volumes
        report = self._reporter.phase("calibration", n)
        volumes = self._herd.calibration_volumes(n, seed=(self._settings.seed, 53))
        return calibrate_model(
            model,
            volumes,
            fitted_on=f"{n} simulated volumes",
            on_volume=lambda number: report(number, _NO_LOSS),
        )

    def _finder(self, model: PointModel) -> NucleusFinder:
        card = model.card
        return NucleusFinder(
            model.detector,
            peak_threshold=card.peak_threshold,
            foreground_threshold=card.foreground_threshold,
            max_radius_um=card.max_radius_um,
            device=self._device,
        )

    def _plan(self, part: str, n_steps: int, learning_rate: float) -> LoopPlan:
        return LoopPlan(
            n_steps=n_steps,
            learning_rate=learning_rate,
            checkpoint=self._folder / f"{part}.state",
            checkpoint_every=self._settings.checkpoint_every,
        )


def share_right(
    model: PointModel, volumes: list[LabVolume], repeatable: frozenset[str]
) -> float | None:
    """Return the share of named nuclei that get their name, end to end; None without any.

    Parameters
    ----------
    model : PointModel
        Is tried with the names it gives, whatever their probability.
    volumes : list of LabVolume
        Volumes with names.
    repeatable : frozenset of str
        Classes that are no single neuron.
    """
    labeler = PointLabeler(model, settings=LabelSettings(device="cpu"))
    n_right = n_named = 0
    for volume in volumes:
        classes = model_classes(volume, model.neurons, repeatable)
        found = labeler.label([as_volume(volume)])[0].detections
        place = np.asarray(found.centroid_px, np.float64) * volume.voxel_size_um
        matched = matched_nuclei(volume, place)
        true = np.where(matched >= 0, np.append(classes, 0)[matched], 0)
        n_right += int(((true > 0) & (true == found.neuron)).sum())
        n_named += int((classes > 0).sum())
    return n_right / n_named if n_named else None


def _as_stored(model: PointModel, folder: Path) -> PointModel:
    """Return the model as it is once it was saved: in half precision, on the CPU."""
    path = folder / "tuned.safetensors"
    model.save(path)
    return PointModel.load(path)


def _save(model: PointModel, out: Path, *, start: str) -> None:
    tuned = model.card.training["fine_tuned"] | {"started_from": start}
    card = model.card.model_copy(update={"training": model.card.training | {"fine_tuned": tuned}})
    replace(model, card=card).save(out)
    text = write_model_card(card, title=out.stem)
    out.with_suffix(".md").write_text(text, encoding="utf-8")
