"""How a session comes to its channel alignment."""

from napari_acll.core import AlignmentError, ChannelAlignment, Volume
from napari_acll.session._stages import AlignmentRule, Calibrator


class Calibration:
    """Finds the alignment on the first volumes, or has it from the start.

    Parameters
    ----------
    calibrator : Calibrator, optional
        Estimates it; None if it is given, or if there is to be none.
    given : ChannelAlignment, optional
        The alignment to apply instead of calibrating.
    rule : AlignmentRule, optional
        Replaces a calibration that cannot be trusted.
    max_volumes : int
        Volumes after which the calibration ends with what it has.
    """

    def __init__(
        self,
        calibrator: Calibrator | None,
        *,
        given: ChannelAlignment | None,
        rule: AlignmentRule | None,
        max_volumes: int,
    ) -> None:
        self._calibrator = calibrator
        self._rule = rule
        self._n_left = max_volumes
        self.alignment = given
        if given is None and calibrator is None:
            self.alignment = ChannelAlignment.identity("No calibration was asked for.")

    def add(self, volume: Volume) -> None:
        """Look at one more volume; settle when it was enough."""
        if self.alignment is not None or self._calibrator is None:
            return
        self._calibrator.add(volume)
        self._n_left -= 1
        if self._calibrator.is_done or self._n_left <= 0:
            self.settle()

    def settle(self) -> ChannelAlignment:
        """Return the alignment, decided on what was seen until now."""
        if self.alignment is None:
            estimate = self._estimate()
            self.alignment = estimate if self._rule is None else self._rule(estimate)
        return self.alignment

    def _estimate(self) -> ChannelAlignment:
        if self._calibrator is None:
            return ChannelAlignment.identity()
        try:
            return self._calibrator.result()
        except AlignmentError as error:  # nothing usable came: not a reason to lose the session
            return ChannelAlignment.identity(str(error))
