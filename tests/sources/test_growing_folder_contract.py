"""A folder being filled passes the suite that other people's live sources are held to."""

import numpy as np
import pytest
from tests.sources.recordings import FOLDER_WRITERS

from napari_acll.sources import GrowingFolderSource
from napari_acll.testing import LiveSourceContract


class _Folder(LiveSourceContract):
    tells_when_seen = True
    kind = ""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path / "a recording (mit Ümlaut)"
        self.folder.mkdir()

    def make_source(self, settings):
        return GrowingFolderSource.from_recording(str(self.folder), settings)

    def write(self, index, activity, marker):
        counts = np.stack((activity, marker))
        FOLDER_WRITERS[self.kind](self.folder, counts[None], (index + 1,))


class TestFolderOfNd2(_Folder):
    kind = "nd2"


class TestFolderOfNrrd(_Folder):
    kind = "nrrd"


class TestFolderOfH5(_Folder):
    kind = "h5"


class TestFolderOfTif(_Folder):
    kind = "tif"


class TestFolderOfNpy(_Folder):
    kind = "npy"


# the abstract helper is no suite of its own
del _Folder
