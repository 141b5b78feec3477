"""What every source of a finished recording must do, as tests."""

import json
from abc import ABC, abstractmethod

import numpy as np

from napari_acll.core import RandomAccessSource, Volume


class SourceContract(ABC):
    """Tests that every source of a finished recording passes; say how yours is made.

    The recording needs two volumes or more. Keep it small: it is opened for every test.

    Examples
    --------
    >>> class TestMySource(SourceContract):
    ...     def make_source(self):
    ...         return MySource("recording")
    """

    @abstractmethod
    def make_source(self) -> RandomAccessSource:
        """Return the source, newly opened on the same recording each time."""

    def test_it_fits_the_protocol(self) -> None:
        """A session only uses the methods of the protocol."""
        source = self.make_source()
        _require(isinstance(source, RandomAccessSource), "not a RandomAccessSource")
        _require(not source.is_live, "a finished recording is not live")
        source.close()

    def test_it_describes_itself_in_json_values(self) -> None:
        """The description is kept in the session."""
        source = self.make_source()
        description = dict(source.describe())
        source.close()
        _require(json.loads(json.dumps(description)) == description, "not JSON values")
        _require({"kind", "path"} <= set(description), "kind or path is missing")

    def test_its_notes_are_sentences(self) -> None:
        """They are shown one by one."""
        source = self.make_source()
        source.close()
        for note in source.notes:
            _require(isinstance(note, str) and note.endswith("."), f"not a sentence: {note!r}")

    def test_its_indices_ascend_and_its_volumes_carry_them(self) -> None:
        """A gap is a lost volume; nothing is renumbered."""
        source = self.make_source()
        indices = list(source.indices)
        found = [volume.index for volume in source]
        source.close()
        _require(indices == sorted(set(indices)) and indices[0] >= 0, "indices do not ascend")
        _require(found == indices, f"volumes {found} differ from indices {indices}")
        n_volumes = source.spec.n_volumes
        _require(n_volumes is None or n_volumes > indices[-1], "n_volumes leaves volumes out")

    def test_every_volume_fits_the_spec(self) -> None:
        """Later stages rely on shape and type."""
        source = self.make_source()
        dtypes = set()
        for volume in source:
            _require_fit(volume, source)
            dtypes |= {volume.marker.dtype, volume.activity.dtype}
        source.close()
        _require(len(dtypes) == 1, f"several types: {dtypes}")
        _require(source.spec.period_s > 0, "no period")
        _require(min(source.spec.voxel_size_um) > 0, "no voxel size")

    def test_the_channels_differ(self) -> None:
        """The same channel twice would give ratios of one."""
        source = self.make_source()
        volume = source.read(source.indices[0])
        source.close()
        _require(not np.array_equal(volume.marker, volume.activity), "one channel twice")

    def test_times_go_on(self) -> None:
        """Pacing and traces rely on it."""
        source = self.make_source()
        starts_s = [volume.timestamp_s for volume in source]
        source.close()
        _require(bool((np.diff(starts_s) > 0).all()), f"times stand or go back: {starts_s}")

    def test_reading_a_volume_gives_what_iterating_gives(self) -> None:
        """A replay is the recording."""
        source = self.make_source()
        for volume in source:
            _require_same(source.read(volume.index), volume)
        source.close()

    def test_volumes_can_be_read_in_any_order(self) -> None:
        """A viewer jumps."""
        source = self.make_source()
        indices = list(source.indices)
        forward = {index: source.read(index) for index in indices}
        for index in reversed(indices):
            _require_same(source.read(index), forward[index])
        source.close()

    def test_volumes_own_their_memory(self) -> None:
        """What a stage does to one volume must not reach the next."""
        source = self.make_source()
        index = source.indices[0]
        before = source.read(index)
        kept = before.marker.copy()
        before.marker[...] = 0
        np.testing.assert_array_equal(source.read(index).marker, kept)
        source.close()

    def test_a_volume_that_does_not_exist_is_an_index_error(self) -> None:
        """Also a negative one, which is not counted from the end."""
        source = self.make_source()
        for index in (-1, source.indices[-1] + 1):
            try:
                source.read(index)
            except IndexError:
                continue
            raise AssertionError(f"volume {index} does not exist but was read")
        source.close()

    def test_it_can_be_iterated_twice(self) -> None:
        """A session can be run again on the same source."""
        source = self.make_source()
        first = [volume.index for volume in source]
        second = [volume.index for volume in source]
        source.close()
        _require(first == second, "the second iteration differs")

    def test_closing_ends_an_iteration_and_may_be_done_twice(self) -> None:
        """A session closes its source from another thread."""
        source = self.make_source()
        volumes = iter(source)
        next(volumes)
        source.close()
        source.close()
        _require(next(volumes, None) is None, "volumes come after closing")


def _require(holds: bool, otherwise: str) -> None:
    # Not `assert`: python -O would strip the suite of its tests.
    if not holds:
        raise AssertionError(otherwise)


def _require_fit(volume: Volume, source: RandomAccessSource) -> None:
    for channel in (volume.marker, volume.activity):
        _require(channel.shape == source.spec.shape, f"shape {channel.shape}")
        _require(channel.dtype.kind == "u", f"type {channel.dtype}")
    times_s = volume.slice_times_s
    _require(times_s.shape == source.spec.shape[:1], f"{times_s.shape} slice times")
    _require(bool(np.isfinite(times_s).all()), "slice times are not finite")
    _require(volume.timestamp_s <= times_s.min() + 1e-9, "a slice before its volume")
    _require(volume.spec == source.spec, "the spec of a volume differs")


def _require_same(a: Volume, b: Volume) -> None:
    np.testing.assert_array_equal(a.marker, b.marker)
    np.testing.assert_array_equal(a.activity, b.activity)
    np.testing.assert_array_equal(a.slice_times_s, b.slice_times_s)
    _require(a.index == b.index and a.timestamp_s == b.timestamp_s, "index or time differ")
    _require(a.missing_z == b.missing_z, "missing slices differ")
