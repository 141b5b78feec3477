"""The crop in boxes and as a rectangle on the canvas; both say the same."""

import numpy as np
import pytest
from qtpy.QtWidgets import QSpinBox
from tests.widgets.fake_session import make_spec, make_volume

from napari_acll.core import CropSettings, VolumeSpec, VoxelGrid
from napari_acll.widgets._crop_editor import CropEditor
from napari_acll.widgets._crop_rectangle import CropRectangle, corners_um, crop_of_corners
from napari_acll.widgets._crop_tool import CropTool
from napari_acll.widgets._setup_panel import SetupPanel

GRID = VoxelGrid.as_stored((40, 100, 200), (1.0, 0.25, 0.5))
CROPS = [
    CropSettings(),
    CropSettings(z_start_px=8, z_stop_px=30),
    CropSettings(y_start_px=10, y_stop_px=90, x_start_px=3, x_stop_px=199),
    CropSettings(z_start_px=1, y_stop_px=7, x_start_px=50),
]


@pytest.fixture
def editor(qtbot):
    made = CropEditor()
    qtbot.addWidget(made)
    return made


@pytest.mark.parametrize("crop", CROPS)
def test_the_editor_gives_back_what_it_shows(editor, crop):
    editor.setValue(crop)
    assert editor.value() == crop
    editor.setValue(crop.model_dump())
    assert editor.value() == crop


def test_each_change_is_told_once(editor):
    told = []
    editor.valueChanged.connect(lambda: told.append(editor.value()))
    editor.setValue(CROPS[2])
    editor.setValue(CROPS[2])
    assert told == [CROPS[2]]
    editor.whole_button.click()
    assert told[-1] == CropSettings()


def test_every_box_says_what_it_is(editor):
    boxes = editor.findChildren(QSpinBox)
    assert len(boxes) == 6
    assert all(box.toolTip() and box.accessibleName() for box in boxes)


@pytest.mark.parametrize("crop", CROPS)
def test_a_rectangle_that_nobody_moved_is_the_crop_it_was_made_of(crop):
    assert crop_of_corners(corners_um(crop, GRID), GRID, crop) == crop


def test_the_corners_lie_at_the_outer_edges_of_the_pixels():
    crop = CropSettings(y_start_px=10, y_stop_px=20, x_start_px=4, x_stop_px=6)
    corners = corners_um(crop, GRID)
    assert corners.min(axis=0).tolist() == [9.5 * 0.25, 3.5 * 0.5]
    assert corners.max(axis=0).tolist() == [19.5 * 0.25, 5.5 * 0.5]


def test_a_rectangle_that_hangs_over_the_frame_ends_with_it():
    far = np.array([[-50.0, -50.0], [-50.0, 999.0], [999.0, 999.0], [999.0, -50.0]])
    assert crop_of_corners(far, GRID, CropSettings(z_start_px=3)) == CropSettings(z_start_px=3)
    outside = np.array([[500.0, 500.0], [500.0, 510.0], [510.0, 510.0], [510.0, 500.0]])
    crop = crop_of_corners(outside, GRID, CropSettings())
    assert (crop.y_start_px, crop.x_start_px) == (99, 199)


class _Listener:
    def __init__(self):
        self.crops = []

    def take(self, crop):
        self.crops.append(crop)


@pytest.fixture
def listener():
    return _Listener()


@pytest.fixture
def rectangle(make_napari_viewer_proxy, listener):
    viewer = make_napari_viewer_proxy()
    made = CropRectangle(viewer, on_change=listener.take)
    made.viewer = viewer
    yield made
    made.hide()


def _drag(viewer, points_um):
    viewer.layers["crop"].data = [np.asarray(points_um, float)]


def test_dragging_the_rectangle_gives_the_crop(rectangle, listener):
    rectangle.show(CropSettings(z_start_px=2), GRID)
    wanted = CropSettings(z_start_px=2, y_start_px=20, y_stop_px=60, x_start_px=30, x_stop_px=120)
    _drag(rectangle.viewer, corners_um(wanted, GRID))
    assert listener.crops == [wanted]


def test_a_crop_that_was_typed_moves_the_rectangle_and_is_not_told_back(rectangle, listener):
    rectangle.show(CropSettings(), GRID)
    wanted = CROPS[2]
    rectangle.set_crop(wanted)
    shown = rectangle.viewer.layers["crop"].data[0][:, -2:]
    assert crop_of_corners(shown, GRID, CropSettings()) == wanted
    assert listener.crops == []


def test_the_frame_lies_under_the_rectangle_in_um(rectangle):
    spec = VolumeSpec(grid=VoxelGrid.as_stored((4, 20, 24), (1.0, 0.54, 0.54)), period_s=0.6)
    volume = make_volume(0, spec)
    rectangle.show(CropSettings(), spec.grid, volume)
    layers = rectangle.viewer.layers
    assert [layer.name for layer in layers] == ["full frame", "crop"]
    assert np.array_equal(layers["full frame"].data, volume.marker)
    assert np.allclose(layers["full frame"].scale, (1.0, 0.54, 0.54))
    height_um = np.ptp(layers["crop"].data[0][:, -2])
    assert height_um == pytest.approx(20 * 0.54)
    rectangle.hide()
    assert len(layers) == 0


def test_a_rectangle_that_the_user_deleted_is_not_missed(rectangle, listener):
    rectangle.show(CropSettings(), GRID)
    rectangle.viewer.layers.remove("crop")
    assert not rectangle.is_shown
    rectangle.set_crop(CROPS[2])
    rectangle.hide()
    assert listener.crops == []


@pytest.fixture
def tool(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy()
    setup = SetupPanel()
    qtbot.addWidget(setup)
    made = CropTool(viewer, setup)
    made.viewer, made.setup = viewer, setup
    yield made
    made.end()


def test_the_form_and_the_rectangle_say_the_same(tool):
    grid = make_spec().grid
    tool.setup.crop.setValue(CropSettings(z_start_px=1, y_start_px=3))
    tool.begin(grid)
    dragged = CropSettings(z_start_px=1, y_start_px=6, y_stop_px=60, x_start_px=9, x_stop_px=90)
    _drag(tool.viewer, corners_um(dragged, grid))
    assert tool.setup.crop.value() == dragged
    assert tool.setup.settings().preprocess.crop == dragged
    tool.setup.crop.setValue(CropSettings())
    shown = tool.viewer.layers["crop"].data[0][:, -2:]
    assert crop_of_corners(shown, grid, CropSettings()) == CropSettings()


def test_without_a_shown_volume_the_first_one_of_the_recording_is_fetched(tool, tmp_path, qtbot):
    stored = np.arange(2 * 2 * 4 * 6 * 8, dtype=np.uint16).reshape(2, 2, 4, 6, 8)
    np.save(tmp_path / "worm.npy", stored)
    settings = tool.setup.settings()
    source = settings.source.model_copy(
        update={"axes": "TCZYX", "voxel_size_um": (1.0, 0.5, 0.5), "period_s": 0.6}
    )
    tool.setup.set_settings(settings.model_copy(update={"source": source}))
    tool.setup.set_recording(str(tmp_path / "worm.npy"))
    tool.begin(None)
    qtbot.waitUntil(lambda: len(tool.viewer.layers) == 2, timeout=10_000)
    assert tool.viewer.layers["full frame"].data.shape == (4, 6, 8)


def test_a_frame_that_cannot_be_fetched_is_told(tool, tmp_path, qtbot):
    tool.setup.set_recording(str(tmp_path / "gone.npy"))
    with qtbot.waitSignal(tool.failed, timeout=10_000) as told:
        tool.begin(None)
    assert "gone.npy" in told.args[0]
    assert not tool.setup.crop.drag_button.isChecked()
