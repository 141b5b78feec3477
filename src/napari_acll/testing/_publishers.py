"""What every publisher must do, as tests."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from napari_acll.core import PublishedSample, Publisher, TraceFlag, VolumeStatus

Told = tuple[int, str, dict[str, float | None]]
"""What a listener understood: index, status in small letters, and the ratio of each neuron."""

_NAMES = ("AVAL", "AVAR", "RIBL")
_MANY = 5000


class PublisherContract(ABC):
    """Tests that every publisher passes; subclass it and say how yours is made and heard."""

    @abstractmethod
    def make_publisher(self) -> Publisher:
        """Return a new publisher, for an address that is free; it is not open yet."""

    @abstractmethod
    def listen(self, publisher: Publisher) -> Callable[[], Told | None]:
        """Connect to a publisher, and return what gives its next sample; None at the end.

        What is published after this call must be heard. Whatever it opens is closed at the end.
        """

    def test_it_fits_the_protocol(self) -> None:
        """A session only uses the methods of the protocol."""
        with self._publisher() as publisher:
            _require(isinstance(publisher, Publisher), "not a Publisher")
            _require(bool(publisher.address), "it does not say where it is found")

    def test_a_listener_gets_every_sample_and_the_end(self) -> None:
        """Samples with values, without any, and of skipped volumes, in their order."""
        with self._publisher() as publisher:
            hear = self.listen(publisher)
            samples = [fake_published(3), _gap(4, VolumeStatus.SKIPPED), fake_published(5)]
            for sample in samples:
                publisher.publish(sample)
            publisher.close()
            heard = [hear(), hear(), hear(), hear()]
        expected = [_told(sample) for sample in samples]
        _require(heard == [*expected, None], f"heard {heard}, expected {expected} and the end")

    def test_it_waits_for_nobody(self) -> None:
        """A session publishes whether anybody listens or not."""
        with self._publisher() as publisher:
            for index in range(_MANY):
                publisher.publish(fake_published(index))

    def test_it_waits_for_no_listener_who_does_not_read(self) -> None:
        """A program that hangs must not stop the recording."""
        with self._publisher() as publisher:
            self.listen(publisher)
            for index in range(_MANY):
                publisher.publish(fake_published(index))

    def test_the_sample_is_not_changed(self) -> None:
        """Several publishers may get it."""
        sample, same = fake_published(1), fake_published(1)
        with self._publisher() as publisher:
            publisher.publish(sample)
        np.testing.assert_array_equal(sample.ratio, same.ratio)
        np.testing.assert_array_equal(sample.is_pinned, same.is_pinned)
        np.testing.assert_array_equal(sample.flags, same.flags)

    def test_it_can_be_closed_without_a_sample_and_twice(self) -> None:
        """A session may fail before its first volume."""
        with self._publisher() as publisher:
            publisher.close()

    def test_it_can_be_closed_without_being_opened(self) -> None:
        """A session may be stopped before it starts."""
        self.make_publisher().close()

    def test_it_can_be_opened_again(self) -> None:
        """It is tried before a session begins."""
        publisher = self.make_publisher()
        publisher.open()
        publisher.close()
        publisher.open()
        publisher.close()

    @contextmanager
    def _publisher(self) -> Iterator[Publisher]:
        publisher = self.make_publisher()
        publisher.open()
        try:
            yield publisher
        finally:
            publisher.close()


def fake_published(index: int) -> PublishedSample:
    """Return a sample of three neurons as it is published; the last one has no ratio."""
    return PublishedSample(
        index=index,
        status=VolumeStatus.TRACED,
        time_s=0.5 * index,
        seen_at_s=1000.0 + 0.5 * index,
        traced_at_s=1000.2 + 0.5 * index,
        sent_at_s=1000.25 + 0.5 * index,
        names=_NAMES,
        neuron_time_s=0.5 * index + np.array([0.05, 0.15, 0.25]),
        ratio=np.array([0.1 + index, 0.25, np.nan], np.float32),
        confidence=np.array([0.9, 0.8, 0.7], np.float32),
        is_pinned=np.array([True, False, False]),
        ratio_sd=np.array([0.01, np.nan, np.nan], np.float32),
        flags=np.array([0, TraceFlag.IMPULSE | TraceFlag.CUT_OFF, 0], np.uint8),
    )


def _gap(index: int, status: VolumeStatus) -> PublishedSample:
    return PublishedSample.without_values(index, status, traced_at_s=1000.0)


def _told(sample: PublishedSample) -> Told:
    ratios = [None if np.isnan(ratio) else float(ratio) for ratio in sample.ratio]
    return sample.index, sample.status.name.lower(), dict(zip(sample.names, ratios, strict=True))


def _require(holds: bool, otherwise: str) -> None:
    # Not `assert`: python -O would strip the suite of its tests.
    if not holds:
        raise AssertionError(otherwise)
