from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QPointF
from tests.widgets.fake_session import SHAPE, make_spec

from napari_acll.core import ChannelAlignment
from napari_acll.widgets._layers import activity_affine, image_placement
from napari_acll.widgets._projections import ProjectionsPanel, plane_transform, projections
from napari_acll.widgets._projections_switch import NAME

GRID = make_spec().grid


def test_the_brightest_voxel_is_seen_from_above_and_from_the_side():
    image = np.zeros((3, 4, 5), np.uint16)
    image[2, 1, 4] = 700
    xy, xz = projections(image)
    assert np.argwhere(xy).tolist() == [[1, 4]]
    assert np.argwhere(xz).tolist() == [[2, 4]]
    assert xy[1, 4] == xz[2, 4] == 700


@pytest.mark.parametrize("rows", [0, 1])
def test_a_pixel_lies_where_its_voxels_lie_in_the_recording(rows):
    placement = image_placement(GRID)
    transform = plane_transform(GRID, np.eye(4), rows=rows)
    place = transform.map(QPointF(7 + 0.5, 2 + 0.5))  # the center of column 7 of row 2
    scale, first = placement["scale"], placement["translate"]
    assert place.x() == pytest.approx(first[2] + 7 * scale[2])
    assert place.y() == pytest.approx(first[rows] + 2 * scale[rows])


def test_the_activity_lies_on_the_marker():
    alignment = ChannelAlignment(dy_um=3.0, dx_um=-1.2, theta_deg=1.5)
    y_px, x_px = alignment.to_activity_px(np.array([5.0]), np.array([9.0]), grid=GRID)
    affine = activity_affine(alignment, GRID)
    place = plane_transform(GRID, affine, rows=1).map(
        QPointF(float(x_px[0]) + 0.5, float(y_px[0]) + 0.5)
    )
    placement = image_placement(GRID)
    expected = np.array(placement["translate"])[1:] + np.array(placement["scale"])[1:] * (5, 9)
    assert (place.y(), place.x()) == pytest.approx(tuple(expected), abs=1e-6)


def test_from_the_side_the_middle_of_the_activity_lies_on_the_marker():
    alignment = ChannelAlignment(dy_um=3.0, dx_um=-1.2, theta_deg=1.5)
    middle_px = (SHAPE[1] - 1) / 2
    affine = activity_affine(alignment, GRID)
    placement = image_placement(GRID)
    _, scale_y, scale_x = placement["scale"]
    _, first_y, first_x = placement["translate"]
    x_um = affine[2, 1:3] @ (first_y + middle_px * scale_y, first_x + 9 * scale_x) + affine[2, 3]
    place = plane_transform(GRID, affine, rows=0).map(QPointF(9.5, 2.5))
    assert place.x() == pytest.approx(x_um)
    assert place.y() == pytest.approx(placement["translate"][0] + 2 * placement["scale"][0])


@pytest.fixture
def panel(live, tmp_path, qtbot, monkeypatch):
    live.projections.setChecked(True)
    panel = live.projections.panel
    monkeypatch.setattr(panel, "isVisible", lambda: True)
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.start.click()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=10_000)
    return panel


def test_the_newest_volume_is_what_is_projected(panel, live):
    volume = live.engine.run.session.latest().volume
    xy, xz = projections(volume.activity)
    assert np.array_equal(panel._images["activity", 1].image, xy)
    assert np.array_equal(panel._images["activity", 0].image, xz)
    assert panel._images["marker", 1].image.shape == SHAPE[1:]


def test_the_chosen_neurons_are_dots_in_both_views(panel, live):
    live.engine.choose([2, 5])
    sample = live.engine.run.session.latest().sample
    z_um, y_um, x_um = (sample.centroid_px[[1, 4]] * (1.0, 0.18, 0.18)).T
    places = dot_places_um(panel)
    assert np.allclose(places[:2], np.stack([x_um, y_um], axis=1), atol=1e-4)
    assert np.allclose(places[2:, 0], x_um, atol=1e-4)
    assert np.allclose(np.diff(places[2:, 1]), np.diff(z_um), atol=1e-4)
    bottom_um = image_placement(GRID)["translate"][1] + SHAPE[1] * 0.54
    assert places[2:, 1].min() > bottom_um
    live.engine.choose([])
    assert dot_places_um(panel).shape == (0, 2)


def dot_places_um(panel):
    """Where the dots are, `(x, y)` of the panel in um."""
    return np.stack(panel._dots.getData(), axis=1)


def test_a_neuron_that_is_away_has_no_dot(panel, live):
    live.engine.choose([2, 5])
    live.engine.run.session.latest().sample.centroid_px[1] = np.nan
    panel._draw_dots()
    assert len(dot_places_um(panel)) == 2


def test_the_box_opens_and_closes_the_dock(live):
    live.projections.setChecked(True)
    assert NAME in live._viewer.window.dock_widgets
    live.projections.setChecked(False)
    assert NAME not in live._viewer.window.dock_widgets
    assert live.projections.panel is None


def test_closing_the_dock_clears_the_box(live):
    live.projections.setChecked(True)
    live._viewer.window.remove_dock_widget(live.projections.panel)
    assert not live.projections.isChecked()
    live.projections.setChecked(True)
    assert isinstance(live.projections.panel, ProjectionsPanel)


@pytest.mark.parametrize(
    ("renderer", "is_shown"),
    [("llvmpipe (LLVM 15.0.6, 256 bits)", True), ("NVIDIA RTX A4000/PCIe/SSE2", False)],
)
def test_they_are_shown_by_themselves_where_rendering_is_in_software(
    live, monkeypatch, renderer, is_shown
):
    monkeypatch.setattr("napari_acll.widgets._projections_switch.renderer_name", lambda: renderer)
    live.engine.started.emit()
    assert live.projections.isChecked() is is_shown


def test_who_has_closed_them_is_not_bothered_again(live, monkeypatch):
    monkeypatch.setattr(
        "napari_acll.widgets._projections_switch.renderer_name", lambda: "llvmpipe"
    )
    live.engine.started.emit()
    live.projections.setChecked(False)
    live.engine.started.emit()
    assert not live.projections.isChecked()


def test_nothing_is_projected_before_the_first_volume(live):
    live.projections.setChecked(True)
    panel = live.projections.panel
    live.engine.run = SimpleNamespace(session=None)
    panel.refresh()
    live.engine.choose([1])
    assert panel._shown is None
    live.engine.run = None
