"""The crop in boxes and as a rectangle on the canvas; both say the same."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from qtpy.QtWidgets import QSpinBox
from tests.widgets.fake_session import make_spec, make_volume

from napari_acll.core import CropSettings, VolumeSpec, VoxelGrid
from napari_acll.widgets._crop_editor import CropEditor
from napari_acll.widgets._crop_geometry import (
    ABOVE,
    SIDE,
    corners_um,
    crop_of_both,
    crop_of_corners,
    side_shift_um,
)
from napari_acll.widgets._crop_rectangle import CropRectangle
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


@pytest.mark.parametrize("view", [ABOVE, SIDE])
@pytest.mark.parametrize("crop", CROPS)
def test_a_rectangle_that_nobody_moved_is_the_crop_it_was_made_of(crop, view):
    assert crop_of_corners(corners_um(crop, GRID, view), GRID, crop, view) == crop


def test_the_corners_lie_at_the_outer_edges_of_the_pixels():
    crop = CropSettings(y_start_px=10, y_stop_px=20, x_start_px=4, x_stop_px=6)
    corners = corners_um(crop, GRID)
    assert corners.min(axis=0).tolist() == [9.5 * 0.25, 3.5 * 0.5]
    assert corners.max(axis=0).tolist() == [19.5 * 0.25, 5.5 * 0.5]


def test_from_the_side_slices_lie_below_the_frame_with_z_down():
    crop = CropSettings(z_start_px=8, z_stop_px=30, x_start_px=4, x_stop_px=6)
    corners = corners_um(crop, GRID, SIDE)
    assert np.ptp(corners[:, 0]) == pytest.approx(22 * 1.0)
    assert corners[:, 1].min() == 3.5 * 0.5
    whole = corners_um(CropSettings(), GRID, SIDE)
    lowest_of_the_frame = corners_um(CropSettings(), GRID)[:, 0].max()
    assert whole[:, 0].min() > lowest_of_the_frame
    assert corners[:, 0].min() - whole[:, 0].min() == pytest.approx(8 * 1.0)


def test_the_columns_are_those_of_the_rectangle_that_was_moved():
    crop = CropSettings(z_start_px=2, y_start_px=5, x_start_px=10, x_stop_px=90)
    wider = crop.model_copy(update={"x_start_px": 3, "z_stop_px": 20})
    above, side = corners_um(crop, GRID), corners_um(wider, GRID, SIDE)
    assert crop_of_both(above, side, GRID, crop) == wider
    moved = crop.model_copy(update={"x_start_px": 30, "y_stop_px": 60})
    above, side = corners_um(moved, GRID), corners_um(crop, GRID, SIDE)
    assert crop_of_both(above, side, GRID, crop) == moved


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


def _drag(viewer, wanted, grid, view=ABOVE):
    """Move one of the two rectangles, as the mouse does."""
    shapes = viewer.layers["crop"]
    data = [points[:, -2:] for points in shapes.data]
    data[(ABOVE, SIDE).index(view)] = corners_um(wanted, grid, view)
    shapes.data = data


def _shown_crop(viewer, grid):
    above, side = (points[:, -2:] for points in viewer.layers["crop"].data)
    crop = crop_of_corners(above, grid, CropSettings(), ABOVE)
    from_the_side = crop_of_corners(side, grid, crop, SIDE)
    assert (from_the_side.x_start_px, from_the_side.x_stop_px) == (
        crop.x_start_px,
        crop.x_stop_px,
    )
    return from_the_side


def test_dragging_the_rectangle_gives_the_crop(rectangle, listener):
    rectangle.show(CropSettings(z_start_px=2), GRID)
    wanted = CropSettings(z_start_px=2, y_start_px=20, y_stop_px=60, x_start_px=30, x_stop_px=120)
    _drag(rectangle.viewer, wanted, GRID)
    assert listener.crops == [wanted]


def test_dragging_from_the_side_gives_the_slices_and_moves_the_other_one(
    rectangle, listener, qtbot
):
    before = CropSettings(y_start_px=20, y_stop_px=60, x_start_px=10)
    rectangle.show(before, GRID)
    wanted = before.model_copy(update={"z_start_px": 5, "z_stop_px": 31, "x_stop_px": 150})
    _drag(rectangle.viewer, wanted, GRID, SIDE)
    assert listener.crops == [wanted]
    shapes = rectangle.viewer.layers["crop"]
    expected = corners_um(wanted, GRID)
    qtbot.waitUntil(lambda: np.allclose(shapes.data[0][:, -2:], expected), timeout=5000)
    assert _shown_crop(rectangle.viewer, GRID) == wanted


def test_the_mouse_takes_hold_of_the_edge_that_is_the_last_slice(rectangle, listener):
    rectangle.show(CropSettings(), GRID)
    layer = rectangle.viewer.layers["crop"].__wrapped__
    layer.selected_data = {1}
    side = layer.data[1][:, -2:]
    edge = np.array([side[:, 0].max(), side[:, 1].mean()])
    _drag_mouse(layer, edge, edge - (7.2, 0))
    assert listener.crops == [CropSettings(z_stop_px=33)]  # of 40 slices of 1 um


def _drag_mouse(layer, start, end):
    """Press, move and release the button over a layer, as its viewer hands it on."""
    event = SimpleNamespace(
        type="mouse_press",
        position=(0.0, *start),
        pos=(0, 0),
        modifiers=[],
        view_direction=None,
        dims_displayed=[1, 2],
        dims_point=[0, 0, 0],
        button=1,
        is_dragging=True,
    )
    mouse_press_callbacks(layer, event)
    event.type = "mouse_move"
    for part in (0.5, 1.0):
        event.position = (0.0, *(np.array(start) + part * (np.array(end) - start)))
        mouse_move_callbacks(layer, event)
    event.type = "mouse_release"
    mouse_release_callbacks(layer, event)


def test_a_rectangle_lies_on_whole_voxels_once_it_was_dragged(rectangle, listener, qtbot):
    rectangle.show(CropSettings(), GRID)
    shapes = rectangle.viewer.layers["crop"]
    above, side = (points[:, -2:] for points in shapes.data)
    top, bottom = side[:, 0].min() + 3.3, side[:, 0].max() - 2.2
    side = np.array([[top, 0.1], [top, 50.1], [bottom, 50.1], [bottom, 0.1]])
    shapes.data = [above, side]
    expected = listener.crops[-1]
    assert (expected.z_start_px, expected.z_stop_px) == (3, 38)
    wanted = corners_um(expected, GRID, SIDE)
    qtbot.waitUntil(lambda: np.allclose(shapes.data[1][:, -2:], wanted), timeout=5000)
    assert len(listener.crops) == 1


def test_a_rectangle_that_was_deleted_alone_is_drawn_again(rectangle, listener, qtbot):
    rectangle.show(CROPS[2], GRID)
    shapes = rectangle.viewer.layers["crop"]
    shapes.selected_data = {1}
    shapes.remove_selected()
    qtbot.waitUntil(lambda: len(shapes.data) == 2, timeout=5000)
    assert _shown_crop(rectangle.viewer, GRID) == CROPS[2]
    assert listener.crops == []


def test_a_crop_that_was_typed_moves_the_rectangle_and_is_not_told_back(rectangle, listener):
    rectangle.show(CropSettings(), GRID)
    wanted = CROPS[2]
    rectangle.set_crop(wanted)
    assert _shown_crop(rectangle.viewer, GRID) == wanted
    rectangle.set_crop(CROPS[1])
    assert _shown_crop(rectangle.viewer, GRID) == CROPS[1]
    assert listener.crops == []


def test_the_frame_lies_under_the_rectangle_in_um(rectangle):
    spec = VolumeSpec(grid=VoxelGrid.as_stored((4, 20, 24), (1.0, 0.54, 0.54)), period_s=0.6)
    volume = make_volume(0, spec)
    rectangle.show(CropSettings(), spec.grid, volume)
    layers = rectangle.viewer.layers
    assert [layer.name for layer in layers] == ["full frame", "from the side", "crop"]
    assert np.array_equal(layers["full frame"].data, volume.marker)
    assert np.array_equal(layers["from the side"].data, volume.marker.max(axis=1))
    assert np.allclose(layers["from the side"].scale, (1.0, 0.54))
    assert np.allclose(layers["from the side"].translate, (side_shift_um(spec.grid), 0.0))
    assert np.allclose(layers["full frame"].scale, (1.0, 0.54, 0.54))
    height_um = np.ptp(layers["crop"].data[0][:, -2])
    assert height_um == pytest.approx(20 * 0.54)
    rectangle.hide()
    assert len(layers) == 0


def test_what_is_seen_from_the_side_lies_below_its_rectangle(rectangle):
    spec = make_spec()  # cropped and binned, as what a look shows
    volume = make_volume(0, spec)
    crop = CropSettings(
        y_start_px=30, y_stop_px=90, x_start_px=60, x_stop_px=132, z_start_px=0, z_stop_px=None
    )
    rectangle.show(crop, spec.grid, newest=volume)
    layers = rectangle.viewer.layers
    assert "full frame" not in layers
    side, drawn = layers["from the side"], layers["crop"].data[1][:, -2:]
    first = np.array(side.translate) - np.array(side.scale) / 2
    assert np.allclose(first, drawn.min(axis=0))
    assert np.allclose(first + np.array(side.scale) * side.data.shape, drawn.max(axis=0))
    later = make_volume(1, spec)
    rectangle.refresh(later)
    assert np.array_equal(side.data, later.marker.max(axis=1))
    assert [layer.name for layer in layers] == ["from the side", "crop"]


def test_the_canvas_is_looked_at_as_before_when_the_drag_has_ended(rectangle):
    viewer = rectangle.viewer
    mine = viewer.add_image(np.zeros((4, 20, 24), np.uint16), name="mine")
    viewer.add_points(np.zeros((1, 3)), name="other")
    viewer.layers.selection = {mine}
    viewer.dims.ndisplay = 3
    viewer.scene.camera.zoom, viewer.scene.camera.angles = 3.25, (10.0, 20.0, 30.0)
    rectangle.show(CropSettings(), GRID)
    assert viewer.dims.ndisplay == 2
    assert [layer.name for layer in viewer.layers.selection] == ["crop"]
    rectangle.hide()
    assert viewer.dims.ndisplay == 3
    assert viewer.scene.camera.zoom == 3.25
    assert np.allclose(viewer.scene.camera.angles, (10, 20, 30))
    assert [layer.name for layer in viewer.layers.selection] == ["mine"]


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
    _drag(tool.viewer, dragged, grid)
    assert tool.setup.crop.value() == dragged
    dragged = dragged.model_copy(update={"z_start_px": 0, "z_stop_px": 3})
    tool.rectangle._draw()
    _drag(tool.viewer, dragged, grid, SIDE)
    assert tool.setup.crop.value() == dragged
    assert tool.setup.settings().preprocess.crop == dragged
    tool.setup.crop.setValue(CropSettings())
    assert _shown_crop(tool.viewer, grid) == CropSettings()


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
    qtbot.waitUntil(lambda: len(tool.viewer.layers) == 3, timeout=10_000)
    assert tool.viewer.layers["full frame"].data.shape == (4, 6, 8)


def test_a_frame_that_cannot_be_fetched_is_told(tool, tmp_path, qtbot):
    tool.setup.set_recording(str(tmp_path / "gone.npy"))
    with qtbot.waitSignal(tool.failed, timeout=10_000) as told:
        tool.begin(None)
    assert "gone.npy" in told.args[0]
    assert not tool.setup.crop.drag_button.isChecked()
