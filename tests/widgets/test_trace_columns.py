import numpy as np

from napari_acll.core import VolumeStatus, volume_times
from napari_acll.widgets._trace_columns import ColumnWatch, places_between

TRACED, SKIPPED, BACKFILLED = (
    VolumeStatus.TRACED,
    VolumeStatus.SKIPPED,
    VolumeStatus.BACKFILLED,
)


def _status(*values):
    return np.array(values, np.uint8)


def test_at_first_everything_is_new():
    assert ColumnWatch().first_new(_status(TRACED, TRACED)) == 0


def test_only_what_was_added_is_new():
    watch = ColumnWatch()
    watch.first_new(_status(TRACED, TRACED))
    assert watch.first_new(_status(TRACED, TRACED)) == 2
    assert watch.first_new(_status(TRACED, TRACED, TRACED)) == 2


def test_a_volume_that_is_labeled_later_is_new_again():
    watch = ColumnWatch()
    status = _status(TRACED, SKIPPED, TRACED)
    watch.first_new(status)
    status[1] = BACKFILLED  # the store writes on in place
    assert watch.first_new(status) == 1


def test_lost_volumes_get_the_times_between_and_beyond():
    times = volume_times(np.array([np.nan, 0.6, np.nan, 1.8, np.nan]), 0.6)
    assert np.allclose(times, [0, 0.6, 1.2, 1.8, 2.4])


def test_places_between_two_axes_go_on_beyond_their_ends():
    known, place = np.array([0.0, 1.0, 2.0]), np.array([10.0, 12.0, 18.0])
    found = places_between(np.array([-1.0, 0.5, 1.5, 3.0]), known, place)
    assert np.allclose(found, [8, 11, 15, 24])


def test_a_single_known_place_is_enough():
    assert places_between(np.array([3.0]), np.array([1.0]), np.array([5.0])).tolist() == [7.0]
    assert places_between(np.array([3.0]), np.zeros(0), np.zeros(0)).tolist() == [3.0]
