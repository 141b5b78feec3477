"""Both networks of a point model, trained side by side, each in a process of its own.

Neither needs the other: the detector learns from images, the identifier from nuclei that were
drawn as points. On two cores two processes of one thread each do twice what one process of two
threads does.
"""

import multiprocessing
import queue
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from napari_acll.core import AcllError, ModelError
from napari_acll.label import PointModel, PointModelCard, choose_device
from napari_acll.training._animals import Herd, home_of
from napari_acll.training._crops import MODEL_VOXEL_UM, CropSampler
from napari_acll.training._detector_training import train_detector
from napari_acll.training._identifier_training import train_identifier
from napari_acll.training._loop import LoopPlan
from napari_acll.training._point_worlds import PointWorlds
from napari_acll.training._progress import Reporter
from napari_acll.training._settings import TrainSettings

PARTS = ("detector", "identifier")
_POLL_S = 0.5


def new_model(settings: TrainSettings, herd: Herd) -> PointModel:
    """Return the model with the random weights that its training starts from."""
    torch.manual_seed(settings.seed)
    card = PointModelCard(
        names=herd.anatomy.neurons.names,
        voxel_size_um=MODEL_VOXEL_UM,
        detector_width=settings.detector.width,
        identifier_width=settings.identifier.width,
        identifier_layers=settings.identifier.n_layers,
        identifier_heads=settings.identifier.n_heads,
        note=settings.note,
    )
    return PointModel.create(card, home_of(herd.anatomy))


def train_networks(settings: TrainSettings, folder: Path, reporter: Reporter) -> PointModel:
    """Return the model with both networks trained; goes on where a killed training stopped.

    Parameters
    ----------
    settings : TrainSettings
        Everything that decides the result; the number of processes does not.
    folder : Path
        Where the states of the networks are kept.
    reporter : Reporter
        Is told about every step.

    Raises
    ------
    ModelError
        If a state cannot be resumed, there is no such device, or a process dies.
    """
    if settings.n_processes == 1:
        for part in PARTS:
            _train(part, settings, folder, reporter.tell)
    else:
        _train_side_by_side(settings, folder, reporter)
    model = new_model(settings, Herd.from_settings(settings))
    for part in PARTS:
        saved = torch.load(folder / f"{part}.done", map_location="cpu", weights_only=True)
        getattr(model, part).load_state_dict(saved)
    return model


def _train(
    part: str,
    settings: TrainSettings,
    folder: Path,
    tell: Callable[[str, int, int, float], None],
) -> None:
    """Train one network and leave its weights in `folder/<part>.done`."""
    done = folder / f"{part}.done"
    if done.exists():
        return
    herd = Herd.from_settings(settings)
    network = getattr(new_model(settings, herd), part).to(choose_device(settings.device))
    plan = loop_plan(part, settings, folder)

    def on_step(step: int, loss: float) -> None:
        tell(part, step, plan.n_steps, loss)

    if part == "detector":
        _train_detector(network, settings, herd, plan, on_step)
    else:
        _train_identifier(network, settings, herd, plan, on_step)
    torch.save(network.cpu().state_dict(), done.with_suffix(".part"))
    done.with_suffix(".part").replace(done)


def loop_plan(part: str, settings: TrainSettings, folder: Path) -> LoopPlan:
    """Return how a network is trained; `part` is one of `PARTS`."""
    is_detector = part == "detector"
    own = settings.detector if is_detector else settings.identifier
    return LoopPlan(
        n_steps=own.n_steps,
        learning_rate=own.learning_rate,
        matrix_learning_rate=0.0 if is_detector else settings.identifier.matrix_learning_rate,
        average_decay=own.average_decay,
        checkpoint=folder / f"{part}.state",
        checkpoint_every=settings.checkpoint_every,
    )


def _train_detector(
    network: Any,
    settings: TrainSettings,
    herd: Herd,
    plan: LoopPlan,
    on_step: Callable[[int, float], None],
) -> None:
    part = settings.detector
    sampler = CropSampler(
        herd.anatomy,
        shape_px=part.crop_px,
        n_per_volume=part.crops_per_volume,
        seed=settings.seed,
        painted_share=part.painted_share,
    )
    train_detector(
        network,
        sampler,
        batch_size=part.batch_size,
        is_mixed_precision=part.is_mixed_precision,
        plan=replace(plan, average_decay=part.average_decay),
        on_step=on_step,
        n_workers=settings.n_workers,
    )


def _train_identifier(
    network: Any,
    settings: TrainSettings,
    herd: Herd,
    plan: LoopPlan,
    on_step: Callable[[int, float], None],
) -> None:
    train_identifier(
        network,
        home_of(herd.anatomy),
        PointWorlds(herd.anatomy, herd.heads).detections,
        batch_size=settings.identifier.batch_size,
        seed=settings.seed,
        plan=plan,
        on_step=on_step,
        n_workers=settings.n_workers,
    )


def _train_side_by_side(settings: TrainSettings, folder: Path, reporter: Reporter) -> None:
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    text = settings.model_dump_json()
    workers = {
        part: context.Process(
            target=_work, args=(part, text, str(folder), messages), name=f"acll-train-{part}"
        )
        for part in PARTS
    }
    for worker in workers.values():
        worker.start()
    try:
        while any(worker.is_alive() for worker in workers.values()) or not messages.empty():
            _pass_on(messages, reporter)
            _check(workers)
    finally:
        for worker in workers.values():
            worker.terminate()
            worker.join()


def _work(part: str, settings_json: str, folder: str, messages: Any) -> None:
    """Train one network; runs in a process of its own."""
    settings = TrainSettings.model_validate_json(settings_json)
    n_threads = settings.n_threads or torch.get_num_threads()
    torch.set_num_threads(max(1, n_threads // len(PARTS)))
    try:
        _train(part, settings, Path(folder), lambda *step: messages.put(("step", step)))
    except AcllError as error:
        messages.put(("error", str(error)))


def _pass_on(messages: Any, reporter: Reporter) -> None:
    try:
        kind, content = messages.get(timeout=_POLL_S)
    except queue.Empty:
        return
    if kind == "error":
        raise ModelError(content)
    reporter.tell(*content)


def _check(workers: dict[str, Any]) -> None:
    dead = [part for part, worker in workers.items() if worker.exitcode not in (None, 0)]
    if dead:
        raise ModelError(
            f"The process that trains the {dead[0]} ended with code {workers[dead[0]].exitcode};"
            " free memory, or set n_processes to 1, and go on with --resume."
        )
