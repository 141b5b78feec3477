"""What a stage must do to be one; each has a contract test suite in `napari_acll.testing`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from napari_acll.core._alignment import ChannelAlignment
from napari_acll.core._correction import Correction
from napari_acll.core._labels import LabeledVolume
from napari_acll.core._marks import Mark
from napari_acll.core._neurons import NeuronTable
from napari_acll.core._published import PublishedSample
from napari_acll.core._state import StageTimings
from napari_acll.core._trace import TraceSample, VolumeStatus
from napari_acll.core._volume import Volume, VolumeSpec


@runtime_checkable
class VolumeSource(Protocol):
    """The volumes of one recording in acquisition order, live or replayed.

    `__iter__` yields each volume once, with the index that the microscope gave it: a gap in the
    indices is a lost volume. Reading is lazy: opening a source costs the same for any length.
    `close` may be called from another thread and twice; it ends a waiting iteration.

    Raises
    ------
    RecordingError
        From the constructor or the iteration, when the recording is not what it should be.
    """

    @property
    def spec(self) -> VolumeSpec:
        """Geometry and channels as stored, before crop and binning."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether the recording is still being written (decides the default drop policy)."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about how the recording is read, one sentence each."""
        ...

    def describe(self) -> Mapping[str, object]:
        """Return what identifies the recording (path, kind), as JSON values."""
        ...

    def __iter__(self) -> Iterator[Volume]:
        """Yield the volumes in acquisition order."""
        ...

    def close(self) -> None:
        """Release files and memory."""
        ...


@runtime_checkable
class RandomAccessSource(VolumeSource, Protocol):
    """A finished recording of which any volume can be read."""

    @property
    def indices(self) -> Sequence[int]:
        """Indices of the volumes that exist, ascending."""
        ...

    def read(self, index: int) -> Volume:
        """Return one volume.

        Raises
        ------
        IndexError
            If the recording has no volume of this index.
        """
        ...


@runtime_checkable
class RereadableSource(Protocol):
    """A `VolumeSource` that may still have volumes which were given before."""

    def reread(self, index: int) -> Volume | None:
        """Return a volume that was given before; None if it is gone.

        May be called from another thread while the iteration waits.

        Raises
        ------
        RecordingError
            If it is there and cannot be read.
        """
        ...


@runtime_checkable
class ResumableSource(Protocol):
    """A `VolumeSource` that can begin where a session was interrupted."""

    def resume_at(self, index: int, described: Mapping[str, object]) -> None:
        """Let the iteration begin at this index; called first, before anything is waited for.

        Parameters
        ----------
        index : int
            The first volume that is wanted.
        described : mapping
            What `describe` returned when the session began.

        Raises
        ------
        RecordingError
            If this is not that recording.
        """
        ...


@runtime_checkable
class Labeler(Protocol):
    """Volumes in, labeled volumes out. Used by one thread only.

    Volumes come cropped and binned, as counts with `marker_background` measured and not yet
    subtracted. The same volumes give the same labels on the same machine.
    """

    @property
    def neurons(self) -> NeuronTable:
        """The neurons that the model knows."""
        ...

    def describe(self) -> Mapping[str, object]:
        """Return name, kind, hash of the weights, device and calibration, as JSON values."""
        ...

    def warm_up(self, spec: VolumeSpec, batch_size: int) -> None:
        """Do everything that makes the first volume slow, for every batch size up to this.

        Raises
        ------
        ModelError
            If the model cannot label volumes of this geometry.
        """
        ...

    def label(self, volumes: Sequence[Volume]) -> list[LabeledVolume]:
        """Return one labeled volume for each volume, in their order."""
        ...


@runtime_checkable
class IdentityFilter(Protocol):
    """Causal: turns labels of single volumes into identities that are consistent over time."""

    def update(self, labeled: LabeledVolume) -> LabeledVolume:
        """Return the volume with the identities that all evidence so far supports."""
        ...


@runtime_checkable
class CorrectableFilter(IdentityFilter, Protocol):
    """An `IdentityFilter` that takes a person's word for some names."""

    def hold(self, neurons: Collection[int]) -> None:
        """Leave names with the nuclei that have them, whatever the volumes to come say.

        Called before each `update`; what was held before and is no longer named is let go.

        Parameters
        ----------
        neurons : collection of int
            Class numbers, as the filter gives them.
        """
        ...


@runtime_checkable
class TraceEstimator(Protocol):
    """Takes the values of every neuron from a labeled volume."""

    def estimate(
        self, volume: Volume, labeled: LabeledVolume, alignment: ChannelAlignment
    ) -> TraceSample:
        """Return one value of each kind for every neuron of the model."""
        ...


@runtime_checkable
class SessionWriter(Protocol):
    """Keeps what a session produces. Used by one thread only."""

    def write(self, sample: TraceSample, labeled: LabeledVolume, timings: StageTimings) -> None:
        """Keep one traced volume; after return it survives a crash of the process.

        Volumes come in ascending order, except `BACKFILLED` ones: those were skipped before.

        Raises
        ------
        SessionError
            If it cannot be written; what was written before stays readable.
        """
        ...

    def skip(self, index: int, status: VolumeStatus) -> None:
        """Keep that a timepoint has no values, and why."""
        ...

    def write_alignment(self, alignment: ChannelAlignment) -> None:
        """Keep the alignment that the samples were taken with."""
        ...

    def write_event(self, kind: str, message: str, details: Mapping[str, object]) -> None:
        """Keep something that happened, with the time at which it did."""
        ...

    def write_marks(self, marks: Sequence[Mark]) -> None:
        """Keep marks of behavior and stimuli, in the order in which they came."""
        ...

    def write_corrections(self, corrections: Sequence[Correction]) -> None:
        """Keep what a person corrected in the names of the volumes that come next."""
        ...

    def close(self, *, state: str) -> None:
        """Finish; `state` is the last `SessionState`. A closed session stays readable."""
        ...


@runtime_checkable
class Publisher(Protocol):
    """Sends each sample to other programs. Used by one thread at a time.

    Nobody may be listening, or too slowly: a publisher waits for no one.

    Raises
    ------
    PluginError
        From the constructor, if what it needs is not installed.
    """

    @property
    def address(self) -> str:
        """Where other programs find it."""
        ...

    def open(self) -> None:
        """Take the address.

        Raises
        ------
        SettingsError
            If it cannot be used.
        """
        ...

    def publish(self, sample: PublishedSample) -> None:
        """Send one timepoint, at once; those of skipped and lost volumes come, too."""
        ...

    def close(self) -> None:
        """Say that no more come, if any did, and let go of the address; may be done twice."""
        ...


@runtime_checkable
class MarkChannel(Protocol):
    """Brings marks of behavior and stimuli into a session. Used by one thread only.

    A device may be missing and come back: after an error of `open` or `read` the channel is
    closed, and opened again later.

    Raises
    ------
    SettingsError
        From the constructor, if its address is not valid.
    PluginError
        From the constructor, if what it needs is not installed.
    """

    @property
    def name(self) -> str:
        """What its marks say where they come from."""
        ...

    def open(self) -> None:
        """Begin to listen.

        Raises
        ------
        OSError
            If the device, address or file cannot be used now.
        """
        ...

    def read(self, timeout_s: float) -> Sequence[Mark]:
        """Return the marks that came, oldest first; waits for the first one, but no longer.

        What cannot be understood comes as a mark that says so in its note.

        Raises
        ------
        OSError
            If the device is gone.
        """
        ...

    def close(self) -> None:
        """Let go of everything; also when it was never opened, and twice."""
        ...
