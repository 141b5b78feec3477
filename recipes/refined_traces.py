"""What names over the whole recording buy for traces, on the tapes of `trace_tape.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure_identity import Recording
from measure_traces import Track
from numpy.typing import NDArray
from trace_scores import scores, summary
from trace_tape import Filmed, alignment_of, n_filmed, play

from napari_acll.core import LabeledVolume, NeuronTable, TraceSettings
from napari_acll.trace import EngineTraceEstimator

Named = Mapping[str, Sequence[LabeledVolume]]
Saved = dict[str, NDArray]


def recording_on(tape: Path) -> Recording:
    """Return what was labeled on a tape, without masks, and what is true."""
    labeled, true, n_listed = [], [], []
    for filmed in play(tape):
        labeled.append(replace(filmed.own, instances=np.zeros((1, 1, 1), np.uint16)))
        true.append(filmed.true.astype(np.int64))
        n_listed.append(int(_is_scored(filmed).sum()))
    return Recording(tape.name, labeled, true, n_listed)


def traced(tape: Path, neurons: NeuronTable, named: Named) -> Saved:
    """Return the traces of the engine under several namings of a tape, and the true ones.

    Parameters
    ----------
    tape : Path
        The tape.
    neurons : NeuronTable
        Of the model.
    named : mapping of str to sequence of LabeledVolume
        The names of each volume, by who gave them.
    """
    n, n_volumes, alignment = len(neurons), n_filmed(tape), alignment_of(tape)
    tracks = {
        way: Track(EngineTraceEstimator(neurons, TraceSettings()), n, n_volumes) for way in named
    }
    saved: Saved = {
        name: np.full((n, n_volumes), np.nan, np.float32) for name in ("truth", "ratio oracle")
    }
    saved |= {f"right {way}": np.zeros((n, n_volumes), np.bool_) for way in named}
    for filmed in play(tape):
        index, inside = filmed.volume.index, _is_scored(filmed)
        saved["truth"][filmed.number[inside] - 1, index] = filmed.ratio[inside]
        saved["ratio oracle"][:, index] = filmed.oracle_ratio
        for way, track in tracks.items():
            found = named[way][index].detections
            is_right = (found.neuron > 0) & (found.neuron == filmed.true)
            saved[f"right {way}"][found.neuron[is_right] - 1, index] = True
            labeled = replace(filmed.own, detections=found)
            track.trace(filmed.volume, labeled, alignment)
    for way, track in tracks.items():
        saved[f"ratio {way}"], saved[f"sd {way}"] = track.ratio, track.sd
        saved[f"flags {way}"] = track.flags
    return saved


def trace_rows(
    animals: Sequence[Saved], ways: Sequence[str], skip: int
) -> list[dict[str, object]]:
    """Return a row of scores for each naming, of all names and of those that are right.

    Parameters
    ----------
    animals : sequence of dict
        What `traced` gave.
    ways : sequence of str
        Who gave the names.
    skip : int
        Volumes at the beginning that are not scored.
    """
    is_scored = [np.isfinite(saved["truth"]) for saved in animals]
    for rows in is_scored:
        rows[:, :skip] = False
    n_true = sum(int(rows.sum()) for rows in is_scored)
    table = []
    for way in ways:
        every = list(zip(animals, is_scored, strict=True))
        of_all = [scores(saved, way, "oracle", rows) for saved, rows in every]
        of_right = [
            scores(saved, way, "oracle", rows & saved[f"right {way}"]) for saved, rows in every
        ]
        table.append(summary(f"{way}, all names", of_all, n_true, {}))
        table.append(summary(f"{way}, right names", of_right, n_true, {}))
    return table


def _is_scored(filmed: Filmed) -> NDArray[np.bool_]:
    """Return which true nuclei are listed neurons inside the volume."""
    scored: NDArray[np.bool_] = (filmed.number > 0) & filmed.is_inside
    return scored
