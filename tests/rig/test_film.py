"""Few volumes that are shown for long."""

import numpy as np
import pytest
from tests.rig.films import Recording, film_of

from napari_acll.core import RecordingError
from napari_acll.rig import Film, make_film


def test_a_film_is_shown_forwards_and_backwards_in_turn(tmp_path):
    film, _ = film_of(tmp_path, 4)
    with film:
        assert [film.shown(volume) for volume in range(9)] == [0, 1, 2, 3, 2, 1, 0, 1, 2]


def test_a_film_of_one_volume_shows_it_always(tmp_path):
    film, _ = film_of(tmp_path, 1)
    with film:
        assert [film.shown(volume) for volume in range(3)] == [0, 0, 0]


def test_a_frame_holds_activity_and_marker_in_turn(tmp_path):
    film, counts = film_of(tmp_path)
    frame = np.empty((*counts.shape[3:], 2), np.uint16)
    with film:
        film.read_frame_into(2, 3, memoryview(frame).cast("B"))
    assert np.array_equal(frame[..., 0], counts[2, 0, 3])
    assert np.array_equal(frame[..., 1], counts[2, 1, 3])


def test_counts_of_more_than_sixteen_bits_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="uint32"):
        make_film(Recording(2, np.uint32), tmp_path / "film", 2)


def test_half_a_film_is_none(tmp_path):
    film, _ = film_of(tmp_path)
    film.close()
    (tmp_path / "film" / "film.json").unlink()
    with pytest.raises(RecordingError, match="no film"):
        Film(tmp_path / "film")
