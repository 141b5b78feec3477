"""What is told of gaps and of the alignment, in words and as numbers."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from napari_acll.core import ChannelAlignment, VolumeStatus
from napari_acll.session._outbox import Event
from napari_acll.session._volume_queue import Gap

_WHY = {
    VolumeStatus.SKIPPED: "skipped because labeling fell behind or the session was stopped or"
    " paused",
    VolumeStatus.LOST: "lost: the recording has a gap there",
}


def gap_events(gaps: Sequence[Gap]) -> Iterator[Event]:
    """Yield one event for each run of gaps of one kind."""
    for status, group in groupby(gaps, key=lambda gap: gap[1]):
        indices = [index for index, _ in group]
        message = f"{_span(indices)} {_WHY[status]}."
        details = {"first": indices[0], "last": indices[-1], "count": len(indices)}
        yield Event(status.name.lower(), message, details)


def _span(indices: list[int]) -> str:
    if len(indices) == 1:
        return f"Volume {indices[0]} was"
    return f"Volumes {indices[0]} to {indices[-1]} were"


def alignment_event(alignment: ChannelAlignment) -> Event:
    """Return what is told of the alignment that is applied."""
    trust = "trusted" if alignment.is_trusted else "NOT trusted"
    message = (
        f"Channel alignment ({alignment.origin}, {trust}): dy {alignment.dy_um:.2f} um,"
        f" dx {alignment.dx_um:.2f} um, rotation {alignment.theta_deg:.3f} degrees."
    )
    details = alignment.model_dump(mode="json")
    return Event("alignment", f"{message} {alignment.note}".strip(), details)
