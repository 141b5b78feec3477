"""Which channel of a recording is the marker and which the activity."""

from collections.abc import Sequence
from dataclasses import dataclass

from napari_acll.core import RecordingError, SourceSettings

_N_CHANNELS = 2
_DEFAULT_ACTIVITY, _DEFAULT_MARKER = 0, 1

# emission of GFP-based calcium indicators; markers lie outside
_GREEN_NM = (495.0, 560.0)

_INDICATOR_WORDS = ("gcamp", "rcamp", "geco", "calcium", "activity")
_MARKER_WORDS = (
    "rfp",
    "mcherry",
    "mneptune",
    "mscarlet",
    "mkate",
    "tdtomato",
    "marker",
    "reference",
)
_GREEN_WORDS = ("green", "gfp", "fitc", "488", "525")
_RED_WORDS = ("red", "tritc", "cy3", "texas", "561", "594", "610")


@dataclass(frozen=True, slots=True)
class ChannelInfo:
    """What a recording says about one channel."""

    name: str
    emission_nm: float | None = None


@dataclass(frozen=True, slots=True)
class ChannelChoice:
    """Numbers of the two channels, and the reason in one sentence."""

    activity: int
    marker: int
    note: str


def choose_channels(
    channels: Sequence[ChannelInfo], settings: SourceSettings, *, recording: str
) -> ChannelChoice:
    """Return which channel is which.

    What the settings say comes first; two channels that they do not map are told apart by the
    names of indicators and fluorophores, then by emission, then by other words in the names;
    else 0 is the activity and 1 the marker.

    Parameters
    ----------
    channels : sequence of ChannelInfo
        All channels of the recording.
    settings : SourceSettings
        May name one channel or both.
    recording : str
        Stands in errors.

    Raises
    ------
    RecordingError
        If there are fewer than two channels, a chosen one does not exist, or there are more
        than two and the settings do not name both.
    """
    require_two_channels(len(channels), recording=recording)
    activity, marker = settings.activity_channel, settings.marker_channel
    for number in (activity, marker):
        if number is not None and number >= len(channels):
            raise RecordingError(
                f"{recording} has no channel {number}; it has {_listed(channels)}."
                " Choose the marker and the activity channel among these."
            )
    if activity is not None and marker is not None:
        return _choice(channels, activity, marker, "as chosen")
    if len(channels) > _N_CHANNELS:
        raise RecordingError(
            f"{recording} has {len(channels)} channels, {_listed(channels)}; tell which is the"
            " marker and which the activity channel."
        )
    if activity is not None:
        return _choice(channels, activity, 1 - activity, "as chosen")
    if marker is not None:
        return _choice(channels, 1 - marker, marker, "as chosen")
    return _found(channels)


def require_two_channels(n_channels: int, *, recording: str) -> None:
    """Raise if a recording cannot have both channels.

    Raises
    ------
    RecordingError
        If there are fewer than two.
    """
    if n_channels < _N_CHANNELS:
        raise RecordingError(
            f"{recording} has {n_channels} channel; a marker and an activity channel are"
            " needed: choose a recording that holds both."
        )


def _found(channels: Sequence[ChannelInfo]) -> ChannelChoice:
    rules = (
        (_by_words(channels, _INDICATOR_WORDS, _MARKER_WORDS), "told by name"),
        (_by_emission(channels), "told by emission"),
        (_by_words(channels, _GREEN_WORDS, _RED_WORDS), "told by name"),
    )
    for activity, reason in rules:
        if activity is not None:
            return _choice(channels, activity, 1 - activity, reason)
    reason = "because neither emission nor name tells them apart; choose them if this is wrong"
    return _choice(channels, _DEFAULT_ACTIVITY, _DEFAULT_MARKER, reason)


def _by_words(
    channels: Sequence[ChannelInfo], activity_words: Sequence[str], marker_words: Sequence[str]
) -> int | None:
    votes = []
    for channel in channels:
        name = channel.name.casefold()
        is_activity = any(word in name for word in activity_words)
        is_marker = any(word in name for word in marker_words)
        votes.append(is_activity - is_marker)
    if votes[0] == votes[1]:
        return None
    return 0 if votes[0] > votes[1] else 1


def _by_emission(channels: Sequence[ChannelInfo]) -> int | None:
    first, second = (channel.emission_nm for channel in channels)
    if first is None or second is None:
        return None
    low, high = _GREEN_NM
    is_green = [low <= emission <= high for emission in (first, second)]
    if is_green[0] == is_green[1]:
        return None
    return is_green.index(True)


def _choice(
    channels: Sequence[ChannelInfo], activity: int, marker: int, reason: str
) -> ChannelChoice:
    note = (
        f"Activity is channel {_labeled(channels, activity)}, marker is channel"
        f" {_labeled(channels, marker)}, {reason}."
    )
    return ChannelChoice(activity=activity, marker=marker, note=note)


def _labeled(channels: Sequence[ChannelInfo], number: int) -> str:
    channel = channels[number]
    emission = "" if channel.emission_nm is None else f", {channel.emission_nm:g} nm"
    return f"{number} ({channel.name}{emission})"


def _listed(channels: Sequence[ChannelInfo]) -> str:
    return ", ".join(_labeled(channels, number) for number in range(len(channels)))
