"""What a saved session of the self-test shows: each part of it checked by what it left."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from napari_acll.core import AcllSettings, StageTimings, VolumeStatus

_STAGES = tuple(field.name for field in fields(StageTimings))
_OURS = ("preprocess_s", "label_s", "trace_s")
"""What is done to a volume once it is there; it may have to wait for its time, or for others."""
_N_UNSTEADY = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the self-test.

    Parameters
    ----------
    name : str
        The part.
    is_ok : bool
        Whether it did what it should.
    sentence : str
        What it did.
    """

    name: str
    is_ok: bool
    sentence: str


def session_findings(path: Path, settings: AcllSettings, n_volumes: int) -> list[Finding]:
    """Return what became of each part of a session.

    Parameters
    ----------
    path : Path
        The session folder.
    settings : AcllSettings
        What it was asked for.
    n_volumes : int
        Volumes that it was given.

    Raises
    ------
    SessionError
        If there is no such session.
    """
    from napari_acll.export import SavedSession

    saved = SavedSession.open(path)
    is_traced = saved.status == VolumeStatus.TRACED
    rows = np.flatnonzero(is_traced).tolist()
    n_named = [int((saved.said(i).neuron > 0).sum()) for i in rows]
    n_nuclei = [len(saved.detections(i)) for i in rows]
    return [
        Finding("session", saved.state == "finished", f"It ended as {saved.state}."),
        Finding(
            "labeling",
            len(rows) == n_volumes and min(n_nuclei, default=0) > 0,
            f"{len(rows)} of {n_volumes} volumes were labeled and traced, with"
            f" {_middle(n_nuclei)} nuclei each.",
        ),
        _calibration(saved, settings),
        Finding(
            "identity",
            not rows or max(n_named, default=0) > 0,
            f"Filter {settings.identity.filter}: {_middle(n_named)} names per volume.",
        ),
        _traces(saved.read("ratio")),
        _saving(saved, rows),
    ]


def _middle(numbers: list[int]) -> str:
    return f"{np.median(numbers):.0f}" if numbers else "no"


def _calibration(saved: Any, settings: AcllSettings) -> Finding:
    alignment = saved.alignment
    wanted = settings.alignment.n_volumes
    if alignment is None:
        return Finding("calibration", not wanted, "The channels were not aligned.")
    is_ok = not wanted or alignment.n_volumes > 0
    return Finding(
        "calibration",
        is_ok,
        f"Shift {alignment.dy_um:.2f}, {alignment.dx_um:.2f} um from {alignment.n_volumes} volumes"
        f" ({'trusted' if alignment.is_trusted else 'not trusted'}).",
    )


def _traces(ratio: np.ndarray[Any, Any]) -> Finding:
    is_known = np.isfinite(ratio)
    return Finding(
        "traces",
        bool(is_known.any()) and not np.isinf(ratio).any(),
        f"{is_known.sum()} samples of {is_known.any(0).sum()} neurons;"
        f" {np.isinf(ratio).sum()} infinite.",
    )


def _saving(saved: Any, rows: list[int]) -> Finding:
    has_labels = bool(saved.has_labels) and all(saved.labels(i).any() for i in rows[-1:])
    said = "label maps included" if has_labels else "without label maps"
    return Finding(
        "saving",
        bool(rows),
        f"The session folder was read again with {len(rows)} volumes, {said}.",
    )


def times_of(path: Path) -> Mapping[str, Mapping[str, float]]:
    """Return the times of each stage, in ms: `p50`, `p99`, `max`; `all of ours` is their sum.

    Parameters
    ----------
    path : Path
        The session folder.
    """
    from napari_acll.export import SavedSession

    saved = SavedSession.open(path)
    rows = np.flatnonzero(saved.status == VolumeStatus.TRACED)
    timings_s = saved.read("timings_s")[rows[_N_UNSTEADY:] if len(rows) > _N_UNSTEADY else rows]
    columns = dict(zip(_STAGES, timings_s.T, strict=True))
    columns["all of ours"] = np.sum([np.nan_to_num(columns[name]) for name in _OURS], axis=0)
    return {
        name.removesuffix("_s"): _spread(1e3 * values)
        for name, values in columns.items()
        if np.isfinite(values).any()
    }


def _spread(values: np.ndarray[Any, Any]) -> dict[str, float]:
    p50, p99, most = np.nanquantile(values, (0.5, 0.99, 1.0)).tolist()
    return {"p50": round(p50, 2), "p99": round(p99, 2), "max": round(most, 2)}
