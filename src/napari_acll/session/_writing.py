"""The thread that hands results to the writers."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from napari_acll.core import SessionWriter, TraceSample
from napari_acll.session import _sink
from napari_acll.session._outbox import Event, Item, Outbox, Traced
from napari_acll.session._sink import Patience, Sink


class Writing:
    """Hands every item to every writer; a writer that failed gets nothing more.

    While a writer cannot write, what is traced waits for it in memory, and the others go on.

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
    patience : Patience
        How long a writer that cannot write is tried again.
    """

    def __init__(
        self,
        writers: Sequence[SessionWriter],
        *,
        outbox: Outbox,
        on_error: Callable[[Exception, str], None],
        on_sample: Callable[[TraceSample], None],
        on_event: Callable[[str, str], None],
        patience: Patience | None = None,
    ) -> None:
        patience = patience or Patience()
        self._sinks = [Sink(writer, patience, tell=self._tell) for writer in writers]
        self._healthy = list(self._sinks)
        self._outbox = outbox
        self._on_error = on_error
        self._on_sample = on_sample
        self._on_event = on_event
        self._unannounced: deque[TraceSample | None] = deque()
        self._n_announced = 0
        self._pause = threading.Event()

    def run(self) -> None:
        """Write until nothing more comes and nothing waits."""
        while not self._outbox.is_over:
            if any(sink.is_full for sink in self._healthy):
                self._pause.wait(_sink.RETRY_S)
                self._flush()
                continue
            item = self._outbox.take(_sink.RETRY_S if self._is_stalled() else None)
            if item is None:
                self._flush()
            else:
                self.write(item)
        self._wait_for_sinks()

    def write(self, item: Item) -> None:
        """Hand one item to all writers."""
        for sink in list(self._healthy):
            self._guard(sink, lambda sink=sink: sink.put(item))  # type: ignore[misc]
        self._unannounced.append(item.sample if isinstance(item, Traced) else None)
        self._announce_kept()
        if isinstance(item, Event):
            self._tell(item)

    def close(self, state: str) -> None:
        """Close all writers, also those that failed."""
        self._wait_for_sinks()
        for sink in self._sinks:
            try:
                sink.writer.close(state=state)
            except Exception as error:  # noqa: BLE001  the other writers must be closed too
                self._on_error(error, "Closing the session")

    def _is_stalled(self) -> bool:
        return any(sink.is_stalled for sink in self._healthy)

    def _flush(self) -> None:
        for sink in list(self._healthy):
            self._guard(sink, sink.flush)
        self._announce_kept()

    def _wait_for_sinks(self) -> None:
        while self._is_stalled():
            self._pause.wait(_sink.RETRY_S)
            self._flush()

    def _guard(self, sink: Sink, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001  any writer's failure ends the session
            self._healthy.remove(sink)
            self._on_error(error, "Saving the session")

    def _announce_kept(self) -> None:
        if len(self._healthy) < len(self._sinks):
            self._unannounced.clear()
            return
        n_taken = self._n_announced + len(self._unannounced)
        n_kept = min((sink.n_kept for sink in self._sinks), default=n_taken)
        while self._n_announced < n_kept:
            sample = self._unannounced.popleft()
            self._n_announced += 1
            if sample is not None:
                self._on_sample(sample)

    def _tell(self, event: Event) -> None:
        self._on_event(event.kind, event.message)
