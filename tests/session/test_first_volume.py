import numpy as np
import pytest

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.session import first_volume


def test_the_first_volume_comes_as_it_is_stored(tmp_path):
    stored = np.arange(2 * 2 * 4 * 6 * 8, dtype=np.uint16).reshape(2, 2, 4, 6, 8)
    np.save(tmp_path / "worm.npy", stored)
    settings = SourceSettings(
        axes="TCZYX",
        voxel_size_um=(1.0, 0.5, 0.5),
        period_s=0.6,
        marker_channel=1,
        activity_channel=0,
    )
    volume = first_volume(str(tmp_path / "worm.npy"), settings)
    assert np.array_equal(volume.marker, stored[0, 1])
    assert volume.spec.shape == (4, 6, 8)


def test_a_recording_to_come_has_none(tmp_path):
    settings = SourceSettings(live={"is_live": True})
    with pytest.raises(RecordingError, match="press Look"):
        first_volume(str(tmp_path / "to come"), settings)
