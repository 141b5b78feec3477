"""A virtual recording, read like a real one."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    NeuronTable,
    RecordingError,
    SourceSettings,
    Volume,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.simulate._activity import ActivitySettings
from napari_acll.simulate._anatomy import Anatomy
from napari_acll.simulate._defects import DefectSettings
from napari_acll.simulate._head import N_NUCLEI, HeadSettings
from napari_acll.simulate._motion import MotionSettings
from napari_acll.simulate._truth import Truth
from napari_acll.simulate._worm import ORIENTATIONS, VirtualWorm, WormSettings

NAME = "simulated"
CHANNELS = (0, 1)
"""Numbers of the activity and the marker channel, as the writers of recordings lay them down."""

GEOMETRIES = {
    "binned": VoxelGrid.as_stored((80, 210, 322), (0.54, 0.54, 0.54)),
    "raw": VoxelGrid.as_stored((80, 630, 966), (0.54, 0.18, 0.18)),
    "small": VoxelGrid.as_stored((24, 70, 108), (1.62, 1.62, 1.62)),
}
MOTIONS = {
    "normal": MotionSettings(),
    "still": MotionSettings.still(),
    "fast": MotionSettings.fast(),
    "sheared": MotionSettings(speed=3.0),
}
ACTIVITIES = {
    "gcamp": ActivitySettings(),
    "gfp": ActivitySettings(reporter="gfp"),
}
DEFECTS = {
    "none": DefectSettings(),
    "typical": DefectSettings.typical(),
    "missing": DefectSettings(missing_slice=1.0),
}
MOST_ABSENT = 0.9
PRESETS: Mapping[str, Mapping[str, str]] = {
    "usual": {},
    "dim": {"light": "0.5"},
    "fast": {"motion": "fast"},
    "sheared": {"motion": "sheared"},
    "missing-slices": {"defects": "missing"},
    "absent": {"absent": "0.2"},
    "strange": {"rig": "random"},
}
"""Harder recordings, each harder in one way: half the light, a swimming animal, three times the
shear, one to three missing slices in each volume, a fifth of the neurons absent, a random rig."""


class SimulatedSource:
    """The volumes of one virtual worm, rendered when they are read.

    Parameters
    ----------
    worm : VirtualWorm
        The animal under its microscope.
    options : mapping of str to str
        How it was asked for, for `describe`.

    Examples
    --------
    >>> source = SimulatedSource.from_recording("simulated:seed=3,volumes=2", SourceSettings())
    >>> source.spec.shape, source.indices
    ((80, 210, 322), range(0, 2))
    """

    OPTIONS: ClassVar[Mapping[str, str]] = {
        "seed": "whole number from 0; another seed is another animal",
        "volumes": "whole number of volumes from 1",
        "geometry": "binned (80 x 210 x 322), raw (80 x 630 x 966) or small (24 x 70 x 108)",
        "orientation": ", ".join(("random", *ORIENTATIONS)),
        "motion": ", ".join(MOTIONS),
        "reporter": ", ".join(ACTIVITIES),
        "defects": ", ".join(DEFECTS),
        "light": "brightness of the animal relative to usual",
        "absent": "part of the neurons that the animal lacks, from 0 to 0.9",
        "fillers": "part of the neurons, from 0 to 0.9, with nameless nuclei in their stead",
        "rig": "usual or random (light, blur, noise, texture, structures that glow)",
        "preset": "one of " + ", ".join(PRESETS) + "; other options override it",
        "laser_step_s": "time at which the laser power goes up by 15 / 13",
    }

    def __init__(self, worm: VirtualWorm, *, options: Mapping[str, str] | None = None) -> None:
        self.worm = worm
        self._options = dict(options or {})
        self._closed = threading.Event()
        self._notes = ["This recording is simulated: no real animal is in it."]

    @classmethod
    def rejects(cls, recording: str) -> str:
        """Return why this is not a virtual recording, empty if it is one."""
        name = recording.partition(":")[0].strip().lower()
        return "" if name == NAME else f"it is not {NAME!r} or '{NAME}:option=value,...'"

    @classmethod
    def from_recording(cls, recording: str, settings: SourceSettings) -> Self:
        """Return the virtual recording that a text asks for.

        Parameters
        ----------
        recording : str
            `simulated`, or `simulated:` and options as `name=value`, separated by commas.
        settings : SourceSettings
            Only `period_s` applies: a virtual recording knows its channels and its geometry, and
            tells in `notes` if others were chosen.

        Raises
        ------
        RecordingError
            If an option is unknown or its value is not valid.
        """
        why_not = cls.rejects(recording)
        if why_not:
            raise RecordingError(f"Cannot simulate {recording!r}: {why_not}.")
        given = _parse(recording)
        options = {**_choice(given, "preset", PRESETS), **given}
        seed = _number(options, "seed", 0, int, lambda value: value >= 0)
        worm_settings = _worm_settings(options, seed)
        if settings.period_s is not None:
            worm_settings = replace(worm_settings, period_s=settings.period_s)
        worm = VirtualWorm.sample(seed, settings=worm_settings, head=_head_settings(options))
        source = cls(worm, options=options)
        source._notes.extend(_unused_channels(settings))
        return source

    @property
    def spec(self) -> VolumeSpec:
        """Geometry and channels."""
        return self.worm.spec

    @property
    def is_live(self) -> bool:
        """False: a virtual recording is finished."""
        return False

    @property
    def notes(self) -> Sequence[str]:
        """That nothing here is real, and which chosen channels it does not have."""
        return tuple(self._notes)

    @property
    def indices(self) -> Sequence[int]:
        """All volumes."""
        return range(self.worm.settings.n_volumes)

    @property
    def neurons(self) -> NeuronTable:
        """The neurons that virtual animals have names for."""
        return Anatomy.load().neurons

    def describe(self) -> Mapping[str, object]:
        """Return kind, seed and options, as JSON values."""
        return {
            "kind": NAME,
            "path": NAME,
            "seed": self.worm.seed,
            "n_volumes": self.worm.settings.n_volumes,
            "options": self._options,
        }

    def read(self, index: int) -> Volume:
        """Return one volume; the same index gives the same counts, in whatever order.

        Raises
        ------
        IndexError
            If the recording has no volume of this index.
        """
        return self.worm.render(index)

    def reread(self, index: int) -> Volume | None:
        """Return one volume once more; None if the recording has none of this index."""
        return self.read(index) if index in self.indices else None

    def truth(self, index: int) -> Truth:
        """Return what is true of one volume.

        Raises
        ------
        IndexError
            If the recording has no volume of this index.
        """
        return self.worm.truth(index)

    def instance_masks(self, index: int) -> NDArray[np.uint16]:
        """Return `row + 1` in the voxels of each nucleus of the truth, 0 elsewhere, `(Z, Y, X)`.

        Raises
        ------
        IndexError
            If the recording has no volume of this index.
        """
        return self.worm.instance_masks(index)

    def __iter__(self) -> Iterator[Volume]:
        """Yield the volumes in order, until closed."""
        for index in self.indices:
            if self._closed.is_set():
                return
            yield self.worm.render(index)

    def close(self) -> None:
        """End a running iteration."""
        self._closed.set()


def _unused_channels(settings: SourceSettings) -> Iterator[str]:
    """Yield what is to be told if channels are chosen that a virtual recording does not have."""
    chosen = (settings.activity_channel, settings.marker_channel)
    if any(got not in (None, own) for got, own in zip(chosen, CHANNELS, strict=True)):
        activity, marker = ("not told" if number is None else number for number in chosen)
        yield (
            f"Its activity is channel {CHANNELS[0]} and its marker channel {CHANNELS[1]}; what was"
            f" chosen (activity {activity}, marker {marker}) is not used."
        )


def _parse(recording: str) -> dict[str, str]:
    options: dict[str, str] = {}
    _, _, text = recording.partition(":")
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or name not in SimulatedSource.OPTIONS:
            valid = "; ".join(f"{key}={what}" for key, what in SimulatedSource.OPTIONS.items())
            raise RecordingError(
                f"{part!r} is no option of a simulated recording; valid: {valid}."
            )
        options[name] = value
    return options


def _worm_settings(options: Mapping[str, str], seed: int) -> WormSettings:
    light = _number(options, "light", 1.0, float, lambda value: value > 0)
    step = _number(options, "laser_step_s", float("inf"), float, lambda value: value > 0)
    rig = _rig(options, np.random.default_rng([seed, 8]))
    return replace(
        rig,
        grid=_choice(options, "geometry", GEOMETRIES),
        n_volumes=_number(options, "volumes", 200, int, lambda value: value >= 1),
        orientation=_choice(
            options, "orientation", {"random": None, **{key: key for key in ORIENTATIONS}}
        ),
        motion=_choice(options, "motion", MOTIONS),
        activity=replace(_choice(options, "reporter", ACTIVITIES), laser_step_s=step),
        defects=_choice(options, "defects", DEFECTS),
        optics=replace(
            rig.optics,
            marker_counts=rig.optics.marker_counts * light,
            activity_counts=rig.optics.activity_counts * light,
        ),
    )


def _rig(options: Mapping[str, str], rng: np.random.Generator) -> WormSettings:
    is_random = _choice(options, "rig", {"usual": False, "random": True})
    return WormSettings.sample(rng) if is_random else WormSettings()


def _head_settings(options: Mapping[str, str]) -> HeadSettings:
    """Return a head that lacks neurons; those that are merely absent are of all kinds."""
    absent = _share(options, "absent")
    fillers = _share(options, "fillers")
    if absent + fillers > MOST_ABSENT:
        raise RecordingError(
            f"Options absent and fillers of a simulated recording leave no animal: together they"
            f" are {absent + fillers:g}, at most {MOST_ABSENT:g} is possible."
        )
    return HeadSettings(
        n_nuclei=round(N_NUCLEI * (1 - absent)),
        filler_share=absent + fillers,
        keeps_listed=absent == 0,
    )


def _share(options: Mapping[str, str], name: str) -> float:
    return float(_number(options, name, 0.0, float, lambda value: 0 <= value <= MOST_ABSENT))


def _choice(options: Mapping[str, str], name: str, choices: Mapping[str, Any]) -> Any:
    value = options.get(name, next(iter(choices)))
    if value not in choices:
        raise RecordingError(
            f"Option {name} of a simulated recording is one of {', '.join(choices)};"
            f" got {value!r}."
        )
    return choices[value]


def _number(
    options: Mapping[str, str],
    name: str,
    default: Any,
    kind: Callable[[str], Any],
    is_valid: Callable[[Any], bool],
) -> Any:
    if name not in options:
        return default
    try:
        value = kind(options[name])
    except ValueError:
        value = None
    if value is None or not is_valid(value):
        raise RecordingError(
            f"Option {name} of a simulated recording is a {SimulatedSource.OPTIONS[name]};"
            f" got {options[name]!r}."
        )
    return value
