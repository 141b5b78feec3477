"""Ends a run when its dock goes."""

from napari_acll.widgets._run import Run


class RunSwitch:
    """Ends a run when its dock is destroyed; holds nothing of Qt, which is gone by then."""

    def __init__(self) -> None:
        self.run: Run | None = None

    def turn_off(self) -> None:
        """End the run that this dock saw, if any."""
        if self.run is not None:
            self.run.abandon()
