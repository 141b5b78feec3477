"""The thread that hands results to the writers."""

from collections.abc import Callable, Sequence

from napari_acll.core import SessionWriter, TraceSample
from napari_acll.session._outbox import Event, Item, Outbox, Traced


class Writing:
    """Hands every item to every writer; a writer that failed gets nothing more.

    Parameters
    ----------
    writers : sequence of SessionWriter
        Where results are kept.
    outbox : Outbox
        Where they come from.
    on_error : callable
        Called with the error of a writer and what was being done; the other writers go on.
    on_sample : callable
        Called with each sample that all writers have kept.
    on_event : callable
        Called with kind and message of each event.
    """

    def __init__(
        self,
        writers: Sequence[SessionWriter],
        *,
        outbox: Outbox,
        on_error: Callable[[Exception, str], None],
        on_sample: Callable[[TraceSample], None],
        on_event: Callable[[str, str], None],
    ) -> None:
        self._writers = list(writers)
        self._healthy = list(writers)
        self._outbox = outbox
        self._on_error = on_error
        self._on_sample = on_sample
        self._on_event = on_event

    def run(self) -> None:
        """Write until nothing more comes."""
        for item in self._outbox:
            self.write(item)

    def write(self, item: Item) -> None:
        """Hand one item to all writers."""
        for writer in list(self._healthy):
            try:
                item.hand_to(writer)
            except Exception as error:  # noqa: BLE001  any writer's failure ends the session
                self._healthy.remove(writer)
                self._on_error(error, "Saving the session")
        if isinstance(item, Traced) and len(self._healthy) == len(self._writers):
            self._on_sample(item.sample)
        if isinstance(item, Event):
            self._on_event(item.kind, item.message)

    def close(self, state: str) -> None:
        """Close all writers, also those that failed."""
        for writer in self._writers:
            try:
                writer.close(state=state)
            except Exception as error:  # noqa: BLE001  the other writers must be closed too
                self._on_error(error, "Closing the session")
