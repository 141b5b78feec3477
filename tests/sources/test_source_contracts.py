"""Every source passes the suite that other people's sources are held to."""

import numpy as np
import pytest
from tests.sources import recordings
from tests.sources.recordings import FOLDER_WRITERS, PERIOD_S, random_counts

from napari_acll.core import SourceSettings
from napari_acll.simulate import SimulatedSource, write_array
from napari_acll.sources import ArraySource, FolderSource, Nd2Source
from napari_acll.testing import SourceContract


class _OnDisk(SourceContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path / "a recording (mit Ümlaut)"
        self.folder.mkdir()


class TestNd2SourceTimeOutside(_OnDisk):
    def make_source(self):
        path = self.folder / "a.nd2"
        if not path.exists():
            recordings.write_nd2(path, random_counts(), order="TZ")
        return Nd2Source.from_recording(str(path), SourceSettings())


class TestNd2SourceZOutside(_OnDisk):
    def make_source(self):
        path = self.folder / "a.nd2"
        if not path.exists():
            recordings.write_nd2(path, random_counts(), order="ZT")
        return Nd2Source.from_recording(str(path), SourceSettings())


class TestNd2SourceTimestream(_OnDisk):
    def make_source(self):
        path = self.folder / "a.nd2"
        if not path.exists():
            recordings.write_nd2(path, random_counts(dtype=np.uint8), order="T")
        return Nd2Source.from_recording(str(path), SourceSettings(n_z=4, z_discard=1))


class TestNd2SourceWithLostVolumes(_OnDisk):
    def make_source(self):
        path = self.folder / "a.nd2"
        if not path.exists():
            recordings.write_nd2(path, random_counts(), lacks=(2, 4, 5, 6, 7))
        return Nd2Source.from_recording(str(path), SourceSettings())


class _Folder(_OnDisk):
    kind = ""

    def make_source(self):
        if not any(self.folder.iterdir()):
            FOLDER_WRITERS[self.kind](self.folder, random_counts(), (3, 4, 6))
        return FolderSource.from_recording(str(self.folder), SourceSettings())


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


class TestArrayInMemory(SourceContract):
    def make_source(self):
        return ArraySource.from_array(random_counts(), period_s=PERIOD_S)


class TestArrayInNpyFile(_OnDisk):
    def make_source(self):
        path = self.folder / "a.npy"
        np.save(path, random_counts().transpose(1, 4, 3, 2, 0))
        return ArraySource.from_recording(str(path), SourceSettings(axes="CXYZT"))


class TestArrayInZarr(_OnDisk):
    def make_source(self):
        path = self.folder / "a.ome.zarr"
        if not path.exists():
            source = ArraySource.from_array(random_counts(), period_s=PERIOD_S)
            write_array(source, path, 3)
        return ArraySource.from_recording(str(path), SourceSettings())


class TestSimulatedSource(SourceContract):
    def make_source(self):
        return SimulatedSource.from_recording(
            "simulated:seed=5,volumes=2,geometry=small", SourceSettings()
        )


# the abstract helpers are no suites of their own
del _OnDisk, _Folder
