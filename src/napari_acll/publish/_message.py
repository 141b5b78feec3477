"""A sample as other programs read it: one JSON object."""

import json
import math

from napari_acll.core import PublishedSample, TraceFlag

FORMAT = "napari-acll traces"
VERSION = 1


def message_of(sample: PublishedSample, *, session: str, number: int) -> bytes:
    """Return the message that tells one timepoint.

    Parameters
    ----------
    sample : PublishedSample
        The timepoint.
    session : str
        Text that is another one for each session.
    number : int
        How many messages were sent in this session before: a gap is a message that did not come.

    Returns
    -------
    bytes
        JSON; what is not known is null.
    """
    content = {
        **_head("sample", session, number),
        "index": sample.index,
        "status": sample.status.name.lower(),
        "time_s": _finite(sample.time_s),
        "seen_at_s": _finite(sample.seen_at_s),
        "traced_at_s": _finite(sample.traced_at_s),
        "sent_at_s": _finite(sample.sent_at_s),
        "neurons": _neurons(sample),
    }
    return _json(content)


def end_message(*, session: str, number: int) -> bytes:
    """Return the message that says that no more samples come."""
    return _json(_head("end", session, number))


def _head(kind: str, session: str, number: int) -> dict[str, object]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "session": session,
        "number": number,
    }


def _neurons(sample: PublishedSample) -> list[dict[str, object]]:
    columns = (
        sample.names,
        sample.ratio.tolist(),
        sample.confidence.tolist(),
        sample.is_pinned.tolist(),
        sample.neuron_time_s.tolist(),
        sample.ratio_sd.tolist(),
        sample.flags.tolist(),
    )
    return [
        {
            "name": name,
            "ratio": _finite(ratio),
            "confidence": _finite(confidence),
            "is_pinned": is_pinned,
            "time_s": _finite(time_s),
            "ratio_sd": _finite(ratio_sd),
            "flags": TraceFlag.names_of(flags),
        }
        for name, ratio, confidence, is_pinned, time_s, ratio_sd, flags in zip(
            *columns, strict=True
        )
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _json(content: dict[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
