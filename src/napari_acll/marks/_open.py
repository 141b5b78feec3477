"""Finds the channel of an address."""

from typing import Any, cast

from napari_acll.core import MarkChannel, SettingsError, load_stage, stage_names


def open_channel(address: str) -> MarkChannel:
    """Return the channel of an address, from the first installed kind that takes it.

    Parameters
    ----------
    address : str
        `tcp://HOST:PORT`, `serial:PORT@BAUD`, a CSV file, or what another package adds.

    Raises
    ------
    SettingsError
        If no kind takes it, with the reason of each.
    PluginError
        If what the channel needs is not installed.
    """
    reasons: list[str] = []
    for name in stage_names("mark_channels"):
        channel = cast("Any", load_stage("mark_channels", name))
        reason = channel.rejects(address)
        if not reason:
            return cast("MarkChannel", channel.from_address(address))
        reasons.append(f"{name}: {reason}")
    raise SettingsError(
        f"Marks cannot come from {address!r} ({'; '.join(reasons)}); give tcp://HOST:PORT,"
        " serial:PORT@BAUD, or a CSV file (marks.channels)."
    )


def why_unreachable(channel: MarkChannel) -> str:
    """Return why no marks can come from a channel now, in a few words; empty if they can.

    A channel says so itself by a method `why_unreachable() -> str`, which is optional: opening a
    serial port may reset the device behind it.

    Parameters
    ----------
    channel : MarkChannel
        As `open_channel` returns it; it is not opened.
    """
    ask = getattr(channel, "why_unreachable", None)
    return str(ask()) if callable(ask) else ""
