"""What the user set on the canvas stays when a look becomes a recording, and over sessions."""

import numpy as np
import pytest
from tests.widgets.fake_session import FakeSession, make_spec, make_volume

from napari_acll.core import NeuronTable, TraceStore, VolumeSpec, VoxelGrid
from napari_acll.widgets._projections import ProjectionsPanel

ZOOM, CENTER = 7.5, (0.0, 9.0, 4.0)
LIMITS = (111.0, 333.0)


def _run(live, qtbot, tmp_path, *, is_look=False):
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    (live.look if is_look else live.start)()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=10_000)
    live.engine.poll()


def _arrange(viewer):
    """Do what a user does to a canvas."""
    viewer.scene.camera.center = CENTER
    viewer.scene.camera.zoom = ZOOM
    viewer.dims.set_point(0, 2.0)
    viewer.layers["live marker"].contrast_limits = LIMITS
    viewer.layers["live marker"].colormap = "gray"
    viewer.layers["live labels"].opacity = 0.25
    viewer.layers["live activity"].visible = False
    viewer.layers["live names"].visible = False
    viewer.layers.selection = {viewer.layers["live marker"]}


def _arrangement(viewer):
    return {
        "zoom": viewer.scene.camera.zoom,
        "center": tuple(float(um) for um in viewer.scene.camera.center),
        "plane": float(viewer.dims.point[0]),
        "limits": tuple(viewer.layers["live marker"].contrast_limits),
        "colormap": viewer.layers["live marker"].colormap.name,
        "opacity": viewer.layers["live labels"].opacity,
        "visible": {layer.name: layer.visible for layer in viewer.layers},
        "selected": {layer.name for layer in viewer.layers.selection},
        "order": [layer.name for layer in viewer.layers],
    }


@pytest.fixture
def arranged(live, qtbot, tmp_path):
    """A dock after a look at which a user has arranged the canvas."""
    _run(live, qtbot, tmp_path, is_look=True)
    _arrange(live._viewer)
    return live


def test_recording_after_a_look_leaves_the_canvas_as_it_was(arranged, qtbot, tmp_path, sessions):
    before = _arrangement(arranged._viewer)
    marker = arranged._viewer.layers["live marker"]
    assert before["limits"] == LIMITS
    assert before["selected"] == {"live marker"}
    _run(arranged, qtbot, tmp_path)
    assert len(sessions) == 2
    assert _arrangement(arranged._viewer) == before
    assert np.array_equal(marker.data, sessions[-1].latest().volume.marker)
    # the viewer of a dock is a proxy, which wraps what it returns anew each time
    assert arranged._viewer.layers["live marker"].__wrapped__ is marker.__wrapped__


def test_another_crop_moves_the_layers_and_keeps_the_rest(
    arranged, build_fake, qtbot, tmp_path, sessions
):
    before = _arrangement(arranged._viewer)
    grid = make_spec().grid
    smaller = VoxelGrid(
        shape=(3, 12, 10),
        voxel_size_um=grid.voxel_size_um,
        stored_shape=grid.stored_shape,
        start_px=(1, 36, 66),
        bin_px=grid.bin_px,
    )
    arranged.engine.build = build_fake(spec=VolumeSpec(grid=smaller, period_s=0.6))
    _run(arranged, qtbot, tmp_path)
    assert _arrangement(arranged._viewer) == before
    layers = arranged._viewer.layers
    assert layers["live labels"].data.shape == layers["live marker"].data.shape == (3, 12, 10)
    assert np.allclose(layers["live marker"].translate, (1.0, 37 * 0.18, 67 * 0.18))
    assert np.array_equal(layers["live marker"].data, sessions[-1].latest().volume.marker)


def test_another_binning_gets_its_own_contrast_limits(arranged, build_fake, qtbot, tmp_path):
    grid = make_spec().grid
    unbinned = VoxelGrid(
        shape=(4, 30, 30),
        voxel_size_um=grid.stored_voxel_size_um(),
        stored_shape=grid.stored_shape,
        start_px=grid.start_px,
    )
    arranged.engine.build = build_fake(spec=VolumeSpec(grid=unbinned, period_s=0.6))
    before = _arrangement(arranged._viewer)
    _run(arranged, qtbot, tmp_path)
    after = _arrangement(arranged._viewer)
    assert after.pop("limits") != before.pop("limits")
    assert after == before


def test_a_recording_with_another_frame_is_shown_as_if_it_were_the_first(
    arranged, build_fake, qtbot, tmp_path
):
    arranged.engine.build = build_fake(spec=make_spec((3, 10, 12)))
    _run(arranged, qtbot, tmp_path)
    after = _arrangement(arranged._viewer)
    assert after["selected"] == {"live labels"}
    assert after["visible"]["live activity"]
    assert after["zoom"] != ZOOM
    assert after["limits"] != LIMITS


def test_a_layer_that_was_deleted_comes_back_in_its_place(arranged, qtbot, tmp_path):
    before = _arrangement(arranged._viewer)
    for name in ("live activity", "live labels"):
        arranged._viewer.layers.remove(name)
    _run(arranged, qtbot, tmp_path)
    after = _arrangement(arranged._viewer)
    assert after["order"] == before["order"]
    assert after["visible"]["live activity"]
    assert (after["zoom"], after["limits"]) == (ZOOM, LIMITS)
    assert after["selected"] == {"live marker"}


def test_the_alignment_of_the_last_session_is_not_shown_for_the_next(
    arranged, qtbot, tmp_path, monkeypatch
):
    layer = arranged._viewer.layers["live activity"]
    assert not np.allclose(layer.affine.affine_matrix, np.eye(4))
    monkeypatch.setattr(FakeSession, "_work", _work_without_calibration)
    _run(arranged, qtbot, tmp_path)
    assert np.allclose(layer.affine.affine_matrix, np.eye(4))


def _work_without_calibration(session):
    from napari_acll.core import SessionState

    for index in range(session._n_volumes):
        session._produce(index)
    session.state = SessionState.FINISHED


def test_names_of_another_model_are_written_where_those_of_the_first_were(
    arranged, build_fake, qtbot, tmp_path
):
    def build(request):
        session = build_fake(n_volumes=1)(request)
        session.store = TraceStore(NeuronTable(tuple("ABCDEF")))
        return session

    arranged.engine.build = build
    _run(arranged, qtbot, tmp_path)
    layer = arranged._viewer.layers["live names"]
    assert list(layer.features["neuron"]) == list("ABCDEF")
    assert not layer.visible
    assert [each.name for each in arranged._viewer.layers].count("live names") == 1


def test_names_are_shown_as_a_changed_preference_says(arranged, qtbot, tmp_path, plugin_settings):
    del plugin_settings
    arranged._apply_preferences = lambda: None
    arranged.engine.layers.shows_names = False
    _run(arranged, qtbot, tmp_path)
    assert not arranged._viewer.layers["live names"].visible
    arranged.engine.layers.shows_names = True
    _run(arranged, qtbot, tmp_path)
    assert arranged._viewer.layers["live names"].visible


def test_what_was_zoomed_to_in_the_projections_stays(live, qtbot, tmp_path):
    panel = ProjectionsPanel(live._viewer)
    qtbot.addWidget(panel)
    panel.show()
    _run(live, qtbot, tmp_path, is_look=True)
    panel.refresh()
    panel._box.setRange(xRange=(3, 6), yRange=(2, 4), padding=0)
    shown, limits = panel._box.viewRange(), dict(panel._limits)
    panel._limits = dict.fromkeys(limits, (0.0, 1.0))  # as those of a darker animal
    _run(live, qtbot, tmp_path)
    panel.refresh()
    assert panel._shown.volume.marker.any()
    assert np.allclose(panel._box.viewRange(), shown)
    assert panel._limits == limits
    assert make_volume(0, make_spec()).spec.grid == panel._grid
