"""What can be asked of a session at any time."""

from napari_acll.core import AcllError, ChannelAlignment, SessionCounters, SessionState
from napari_acll.session._calibration import Calibration
from napari_acll.session._computation import Computation
from napari_acll.session._counters import Tally
from napari_acll.session._standing import Standing
from napari_acll.session._volume_queue import VolumeQueue


class SessionView:
    """The part of a session's interface that tells where it stands; cheap, from any thread."""

    _standing: Standing
    _tally: Tally
    _queue: VolumeQueue
    _calibration: Calibration
    _computation: Computation

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        return self._standing.state

    @property
    def error(self) -> AcllError | None:
        """The first error; None as long as there was none."""
        return self._standing.error

    @property
    def counters(self) -> SessionCounters:
        """What became of the volumes until now."""
        return self._tally.counters(n_waiting=len(self._queue))

    @property
    def alignment(self) -> ChannelAlignment | None:
        """The channel alignment that is applied; None until it is known."""
        return self._calibration.alignment

    @property
    def novelty(self) -> float:
        """How unlike what the model knows the last volumes look, 0 to 1; NaN if nobody knows."""
        return self._computation.novelty.level
