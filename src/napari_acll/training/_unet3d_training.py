"""Training of a voxel classifier, the network of the original pipeline."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader, Dataset

from napari_acll.training._distributed import Team, team
from napari_acll.training._progress import ProgressCallback, Reporter
from napari_acll.training._unet3d_augmentation import VoxelBatch, augment
from napari_acll.training._unet3d_network import VoxelClassifier, new_network, start_from
from napari_acll.training._unet3d_report import draw_prediction, write_curves
from napari_acll.training._unet3d_samples import VoxelSample, VoxelSamples, samples_of
from napari_acll.training._unet3d_settings import UNet3DTrainSettings
from napari_acll.training._unet3d_state import (
    STATE_FILE,
    load_start,
    random_states,
    read_state,
    save_unet3d,
    set_random_states,
    write_state,
)
from napari_acll.training._unet3d_validation import predicted_classes, validate

_PHASE = "unet3d"


def train_unet3d(
    settings: UNet3DTrainSettings,
    out: Path,
    *,
    start: Path | None = None,
    is_resumed: bool = False,
    on_progress: ProgressCallback | None = None,
) -> Path:
    """Train a voxel classifier and return the file that was written.

    Several processes train together if torch's launcher started them: `torchrun
    --nproc-per-node 4 -m napari_acll.cli train ...`.

    Parameters
    ----------
    settings : UNet3DTrainSettings
        Everything that decides the model.
    out : Path
        Weights file to write (`.safetensors` or `.pytorch`); its configuration and names are put
        beside it, curves and pictures in a folder of that name ending in `.report`. While it
        trains, its state lies in a folder ending in `.parts`.
    start : Path, optional
        Checkpoint to start from; None: random weights.
    is_resumed : bool
        Go on where a training of the same settings was stopped, instead of starting again.
    on_progress : callable, optional
        Called after every step.

    Returns
    -------
    Path
        `out`: the weights with the best score on the validation volumes, the last ones if there
        are none.

    Raises
    ------
    RecordingError
        If a file of the lab is missing, damaged, or does not fit.
    ModelError
        If there is no such device, the state cannot be resumed, or `start` cannot be used.
    """
    if settings.n_threads is not None:
        torch.set_num_threads(settings.n_threads)
    with team(settings.device) as crew:
        samples = samples_of(settings)
        run = _Run(settings, samples, crew, out)
        run.begin(start, is_resumed=is_resumed)
        run.train(Reporter(on_progress))
        run.finish()
    return out


class _Volumes(Dataset[VoxelSample]):
    """Training volumes by number; prepared in other processes if there are some."""

    def __init__(self, samples: VoxelSamples, settings: UNet3DTrainSettings) -> None:
        self._samples = samples
        self._settings = settings

    def __getitem__(self, index: int) -> VoxelSample:
        sample = self._samples.training(index)
        if self._settings.crop_px is None:
            return sample
        rng = np.random.default_rng([self._settings.seed, 34, index])
        return sample.part(self._settings.crop_px, rng)


class _Run:
    """One training: everything that its steps change."""

    def __init__(
        self, settings: UNet3DTrainSettings, samples: VoxelSamples, crew: Team, out: Path
    ) -> None:
        self._settings, self._samples, self._team, self._out = settings, samples, crew, out
        precision = settings.precision
        is_mixed = precision == "mixed" or (precision == "auto" and crew.device.type == "cuda")
        self._network = new_network(settings, samples.neurons)
        self._classifier = VoxelClassifier(
            self._network, is_mixed=is_mixed, is_memory_spared=settings.is_memory_spared
        ).to(crew.device)
        self._optimizer = torch.optim.Adam(self._network.parameters(), lr=settings.learning_rate)
        self._schedule = ReduceLROnPlateau(
            self._optimizer, mode="max", factor=0.5, patience=settings.patience
        )
        self._n_done, self._spent_s, self._losses = 0, 0.0, [0.0, 0.0]
        self._history: list[dict[str, float]] = []
        self._best: dict[str, Any] | None = None
        self._started_from = ""

    @property
    def _state_path(self) -> Path:
        return self._out.with_suffix(".parts") / STATE_FILE

    def begin(self, start: Path | None, *, is_resumed: bool) -> None:
        """Take over the weights to start from, or the state of a stopped training."""
        is_there = self._team.agreed(is_resumed and self._state_path.exists())
        if is_there:
            self._resume(read_state(self._state_path, self._settings))
        elif start is not None:
            network, names = load_start(start)
            start_from(self._network, network, names, self._samples.neurons)
            self._started_from = start.name
        if self._team.is_first:
            if not is_there:
                shutil.rmtree(self._state_path.parent, ignore_errors=True)
            self._state_path.parent.mkdir(parents=True, exist_ok=True)
            self._report_folder.mkdir(exist_ok=True)

    @property
    def _report_folder(self) -> Path:
        return self._out.with_suffix(".report")

    def train(self, reporter: Reporter) -> None:
        """Take all steps that are left, or as many as the time allows."""
        settings = self._settings
        trained = self._team.shared(self._classifier)
        trained.train()
        before_s = self._spent_s
        for batch in self._batches():
            loss = self._step(trained, batch)
            self._n_done += 1
            self._spent_s = before_s + reporter.elapsed_s
            self._losses = [self._losses[0] + loss, self._losses[1] + 1]
            if self._team.is_first:
                reporter.tell(_PHASE, self._n_done, settings.n_steps, loss)
            is_last = self._n_done == settings.n_steps or self._is_time_up()
            if is_last or self._n_done % settings.validate_every == 0:
                self._validate()
            if is_last or self._n_done % settings.checkpoint_every == 0:
                self._write()
            if is_last:
                return

    def _batches(self) -> Iterator[VoxelBatch]:
        """Yield what is left of this process's volumes; each depends on its number alone."""
        settings, crew = self._settings, self._team
        first = self._n_done * crew.n_ranks + crew.rank
        numbers = range(first, settings.n_steps * crew.n_ranks, crew.n_ranks)
        loader = DataLoader(
            _Volumes(self._samples, settings),
            batch_size=None,
            sampler=numbers,
            num_workers=settings.n_workers,
            multiprocessing_context="spawn" if settings.n_workers else None,
            generator=torch.Generator(),
        )
        for number, sample in zip(numbers, loader, strict=True):
            batch = VoxelBatch.of(sample, crew.device)
            yield augment(batch, settings.augmentation, key=(settings.seed, 35, number))

    def _step(self, trained: torch.nn.Module, batch: VoxelBatch) -> float:
        loss = trained(batch.image, batch.target, batch.weight, batch.used)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return float(loss.detach())

    def _is_time_up(self) -> bool:
        limit = self._settings.max_minutes
        return limit is not None and self._team.agreed(self._spent_s >= 60 * limit)

    def _validate(self) -> None:
        """Score the network, halve the rate if it no longer gets better, keep the best."""
        score = None
        if self._team.is_first and self._samples.n_validation:
            score = self._scored()
        score = self._team.agreed(score)
        if score is None:
            return
        is_best = all(score >= row["iou"] for row in self._history[:-1])
        self._schedule.step(score)
        if self._team.is_first and is_best:
            state = self._network.state_dict()
            self._best = {name: value.detach().cpu().clone() for name, value in state.items()}

    def _scored(self) -> float:
        device = self._team.device
        indices = range(self._samples.n_validation)
        batches = (VoxelBatch.of(self._samples.validation(i), device) for i in indices)
        scores = validate(self._classifier, batches)
        rate = self._optimizer.param_groups[0]["lr"]
        mean_loss = self._losses[0] / max(self._losses[1], 1)
        self._losses = [0.0, 0.0]
        times = {"step": self._n_done, "elapsed_s": self._spent_s, "training_loss": mean_loss}
        self._history.append(times | scores.as_dict() | {"learning_rate": rate})
        write_curves(self._report_folder, self._history)
        self._draw()
        return scores.iou

    def _draw(self) -> None:
        batch = VoxelBatch.of(self._samples.validation(0), self._team.device)
        was_training = self._classifier.training
        self._classifier.eval()
        predicted = predicted_classes(self._classifier, batch)
        self._classifier.train(was_training)
        draw_prediction(
            self._report_folder / "prediction.png",
            batch.image[0, 0].cpu().numpy(),
            batch.target.cpu().numpy(),
            predicted,
            title=f"Validation volume after {self._n_done} steps",
        )

    def _write(self) -> None:
        if not self._team.is_first:
            return
        write_state(
            self._state_path,
            {
                "settings": self._settings.model_dump_json(),
                "n_done": self._n_done,
                "n_ranks": self._team.n_ranks,
                "spent_s": self._spent_s,
                "losses": self._losses,
                "history": self._history,
                "network": self._network.state_dict(),
                "best": self._best,
                "optimizer": self._optimizer.state_dict(),
                "schedule": self._schedule.state_dict(),
                "random": random_states(),
                "started_from": self._started_from,
            },
        )

    def _resume(self, state: dict[str, Any]) -> None:
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        set_random_states(state["random"])
        self._n_done, self._spent_s = state["n_done"], state["spent_s"]
        self._losses, self._history = state["losses"], state["history"]
        self._best, self._started_from = state["best"], state["started_from"]

    def finish(self) -> None:
        """Write the model; only then is the state of no more use."""
        if not self._team.is_first:
            return
        if self._best is not None:
            self._network.load_state_dict(self._best)
        record: dict[str, Any] = {
            "settings": self._settings.model_dump(mode="json"),
            "n_steps": self._n_done,
            "n_processes": self._team.n_ranks,
            "duration_s": round(self._spent_s),
            "started_from": self._started_from,
            "scores": max(self._history, key=lambda row: (row["iou"], row["step"]), default={}),
            "calibration": None,
        }
        save_unet3d(self._out, self._network, self._samples.neurons, record)
        shutil.rmtree(self._state_path.parent, ignore_errors=True)
