"""The alignment dock: calibrates, shows, is moved by hand, hands on, and leaves nothing behind."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QFileDialog
from tests.preprocess.alignment_pairs import (
    ORIGINAL,
    Animal,
    Scene,
    as_volume,
    errors_of,
    make_pair,
)

from napari_acll.core import (
    AcllSettings,
    AlignmentOrigin,
    ChannelAlignment,
    ChannelDrift,
    VolumeSpec,
)
from napari_acll.preprocess import load_alignment, save_alignment
from napari_acll.widgets import AlignmentWidget, LiveSessionWidget
from napari_acll.widgets._alignment_preview import LAYER_NAMES, PreviewMode, Projection
from napari_acll.widgets._calibration_setup import CalibrationOn
from napari_acll.widgets._layers import activity_affine

PX = 0.54
TRUTH = ChannelAlignment(dy_um=2.6 * PX, dx_um=-3.7 * PX, theta_deg=0.6)
SPEC = VolumeSpec(grid=ORIGINAL, period_s=0.6)
TIMEOUT_MS = 30_000
UNITS = ("um", "um", "um")


@pytest.fixture(scope="module")
def pairs():
    """Two volumes of one animal whose channels lie as `TRUTH` says."""
    rng = np.random.default_rng(3)
    animal = Animal.random(rng, Scene())
    return [make_pair(rng, animal.posed(rng), TRUTH, Scene()) for _ in range(2)]


@pytest.fixture
def errors(monkeypatch):
    """Return the sentences that napari would show."""
    shown = []
    monkeypatch.setattr("napari_acll.widgets._alignment_widget.show_error", shown.append)
    return shown


@pytest.fixture
def dock(make_napari_viewer_proxy, errors):  # noqa: ARG001  errors are not to pop up
    viewer = make_napari_viewer_proxy()
    widget = AlignmentWidget(viewer)
    viewer.window.add_dock_widget(widget, name="alignment")
    widget.viewer = viewer
    return widget


def add_channels(viewer, pairs, **options):
    for name, channel in (("red marker", 0), ("green activity", 1)):
        data = np.stack([pair[channel] for pair in pairs])
        viewer.add_image(
            data,
            name=name,
            **{"scale": (1, PX, PX, PX), "units": ("s", *UNITS), **options},
        )


def wait_for_the_end(dock, qtbot):
    qtbot.waitUntil(dock.calibration.calibrate_button.isEnabled, timeout=TIMEOUT_MS)
    assert dock.calibration.job.wait(5)


@pytest.fixture
def calibrated(dock, pairs, qtbot):
    """A dock that has calibrated on two layers."""
    add_channels(dock.viewer, pairs)
    dock.calibration.setup.set_source(CalibrationOn.LAYERS)
    dock.calibration.setup.n_volumes.setValue(2)
    dock.calibration.calibrate_button.click()
    wait_for_the_end(dock, qtbot)
    return dock


class GatedSource:
    """Gives volumes only when allowed to, and fails if told to."""

    is_live = False
    notes = ()
    spec = SPEC

    def __init__(self, pairs, error=None):
        self._pairs, self._error = pairs, error
        self.asked, self.gate = threading.Event(), threading.Semaphore(0)
        self.is_closed = threading.Event()

    def describe(self):
        return {"kind": "gated", "path": "nowhere"}

    def __iter__(self):
        for index in range(1000):
            self.asked.set()
            if not self.gate.acquire(timeout=20):
                raise TimeoutError("nobody allowed this volume")
            if self._error is not None:
                raise self._error
            yield as_volume(*self._pairs[index % len(self._pairs)], SPEC, index)

    def close(self):
        self.is_closed.set()


def start_on(dock, source, monkeypatch):
    """Calibrate on a source object; the form itself only knows paths and layers."""
    monkeypatch.setattr(dock.calibration.setup, "_chosen", lambda: (source, AcllSettings()))
    dock.calibration.calibrate_button.click()


def layers(dock):
    return {layer.name: layer for layer in dock.viewer.layers}


def affine_of(layer):
    return np.asarray(layer.affine.affine_matrix)[-4:, -4:]


def test_a_calibration_on_two_layers_finds_how_they_were_drawn(calibrated):
    found = calibrated.value()
    center, corner, angle = errors_of(found, TRUTH, ORIGINAL)
    assert center <= 0.15
    assert corner <= 0.35
    assert angle <= 0.1
    assert found.is_trusted
    assert found.origin is AlignmentOrigin.CALIBRATED
    assert found.n_volumes == 2


def test_the_result_is_shown_in_um_px_and_degrees(calibrated):
    found, panel = calibrated.value(), calibrated.panel
    assert f"y {found.dy_um:+.3f} um" in panel.shift.text()
    assert f"x {found.dx_um / PX:+.2f} px" in panel.shift.text()
    assert panel.rotation.text() == f"{found.theta_deg:+.3f}°"
    assert panel.score.text() == f"{found.score:.3f}"
    assert "over 2 volumes" in panel.spread.text()
    assert "trusted (calibrated)" in panel.trust.text()


def test_the_plots_hold_each_volume_and_a_score_with_one_top(calibrated):
    x, y = calibrated.plots._points.getData()
    assert len(x) == 2
    assert np.abs([*x, *y]).max() < 0.25 * PX
    offset_um, score = calibrated.plots._along_x.getData()
    assert abs(offset_um[score.argmax()]) <= 0.3


def test_the_channels_are_previewed_by_a_transform_and_not_resampled(calibrated, pairs):
    shown = layers(calibrated)
    marker, activity = (shown[name] for name in LAYER_NAMES[:2])
    assert np.array_equal(activity.data, pairs[1][1])
    assert np.array_equal(marker.data, pairs[1][0])
    wanted = activity_affine(calibrated.value(), ORIGINAL)
    assert np.allclose(affine_of(activity), wanted)
    assert np.allclose(affine_of(marker), np.eye(4))
    assert str(marker.blending) == "additive"


def test_under_the_preview_both_channels_lie_on_each_other(calibrated):
    at_y, at_x = TRUTH.to_activity_px(np.array(40.0), np.array(200.0), grid=ORIGINAL)
    activity = layers(calibrated)[LAYER_NAMES[1]]
    world_um = activity.data_to_world((10, float(at_y), float(at_x)))[-2:]
    assert np.allclose(world_um, (40 * PX, 200 * PX), atol=0.3 * PX)


@pytest.mark.parametrize(
    ("key", "shift", "moved_px", "turned_deg"),
    [
        (Qt.Key.Key_Right, False, (0.0, 0.25), 0.0),
        (Qt.Key.Key_Left, True, (0.0, -1.0), 0.0),
        (Qt.Key.Key_Down, False, (0.25, 0.0), 0.0),
        (Qt.Key.Key_Up, True, (-1.0, 0.0), 0.0),
        (Qt.Key.Key_BracketRight, False, (0.0, 0.0), 0.05),
        (Qt.Key.Key_BracketLeft, False, (0.0, 0.0), -0.05),
    ],
)
def test_a_key_moves_the_activity_at_once(calibrated, qtbot, key, shift, moved_px, turned_deg):
    base = calibrated.value()
    modifier = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
    middle = (10, (ORIGINAL.shape[1] - 1) / 2, (ORIGINAL.shape[2] - 1) / 2)
    activity = layers(calibrated)[LAYER_NAMES[1]]
    before = np.array(activity.data_to_world(middle))
    qtbot.keyClick(calibrated.pad, key, modifier)
    after = np.array(activity.data_to_world(middle))
    # the middle of the picture hardly feels a turn by 0.05 degrees
    assert (after - before)[-2:] == pytest.approx(np.array(moved_px) * PX, abs=0.01)
    nudged = calibrated.value()
    assert nudged.theta_deg == pytest.approx(base.theta_deg - turned_deg)
    assert nudged.origin is AlignmentOrigin.MANUAL
    assert np.allclose(affine_of(activity), activity_affine(nudged, ORIGINAL))
    assert "set by hand" in calibrated.panel.trust.text()


def test_the_score_falls_when_the_channels_are_moved_apart(calibrated, qtbot):
    best = calibrated.value().score
    for _ in range(3):
        qtbot.keyClick(calibrated.pad, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: calibrated.panel.score.text() != "not measured", timeout=5000)
    assert float(calibrated.panel.score.text()) < 0.8 * best


@pytest.mark.parametrize(
    ("modifier", "moved"),
    [
        (Qt.KeyboardModifier.NoModifier, (-0.25, 0.25, 0.05)),
        (Qt.KeyboardModifier.ShiftModifier, (-1.0, 1.0, 0.05)),
    ],
)
def test_the_buttons_of_the_pad_do_what_the_keys_do(calibrated, monkeypatch, modifier, moved):
    from qtpy.QtWidgets import QPushButton

    keyboard = SimpleNamespace(keyboardModifiers=lambda: modifier)
    monkeypatch.setattr("napari_acll.widgets._nudge_pad.QApplication", keyboard)
    buttons = {button.text(): button for button in calibrated.pad.findChildren(QPushButton)}
    for text in "→↑⟳":
        buttons[text].click()
    assert calibrated.pad.value() == moved


def test_revert_goes_back_to_the_calibrated_alignment(calibrated, qtbot):
    base = calibrated.value()
    assert not calibrated.revert_button.isEnabled()
    qtbot.keyClick(calibrated.pad, Qt.Key.Key_Down)
    assert calibrated.value() != base
    calibrated.revert_button.click()
    assert calibrated.value() == base
    assert not any(calibrated.pad.value())
    activity = layers(calibrated)[LAYER_NAMES[1]]
    assert np.allclose(affine_of(activity), activity_affine(base, ORIGINAL))


def test_a_nudged_alignment_survives_saving_and_loading(calibrated, qtbot, tmp_path, monkeypatch):
    qtbot.keyClick(calibrated.pad, Qt.Key.Key_Down)
    qtbot.keyClick(calibrated.pad, Qt.Key.Key_BracketRight)
    nudged, path = calibrated.value(), tmp_path / "mine"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    calibrated.save_button.click()
    path = path.with_suffix(".json")
    assert str(path) in calibrated.calibration.message.text()
    saved = load_alignment(path)
    assert (saved.dy_um, saved.dx_um, saved.theta_deg) == pytest.approx(
        (nudged.dy_um, nudged.dx_um, nudged.theta_deg)
    )
    assert "Loaded from mine.json (manual). Moved by hand from the calibrated" in saved.note
    assert saved.score == pytest.approx(calibrated.report.calibrator.score_of(nudged))
    calibrated.revert_button.click()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    calibrated.load_button.click()
    assert calibrated.value() == saved
    activity = layers(calibrated)[LAYER_NAMES[1]]
    assert np.allclose(affine_of(activity), activity_affine(nudged, ORIGINAL))


def test_an_alignment_can_be_loaded_and_applied_without_a_calibration(dock, tmp_path, monkeypatch):
    save_alignment(TRUTH, tmp_path / "truth.json")
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "truth.json"), "")
    )
    assert not dock.apply_button.isEnabled()
    dock.load_button.click()
    assert dock.value().dy_um == TRUTH.dy_um
    assert not dock.pad.isEnabled()  # there is nothing to look at
    dock.apply_button.click()
    assert load_alignment(dock.engine.alignment_file).dy_um == TRUTH.dy_um


def test_a_damaged_file_is_told_in_one_sentence(dock, errors, tmp_path, monkeypatch):
    (tmp_path / "bad.json").write_text("{")
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "bad.json"), "")
    )
    dock.load_button.click()
    assert "not JSON or is damaged" in errors[0]
    assert dock.value() is None


def test_applied_is_what_the_next_session_of_the_live_dock_gets(calibrated, qtbot):
    live = LiveSessionWidget(calibrated.viewer)
    calibrated.viewer.window.add_dock_widget(live, name="live")
    qtbot.keyClick(calibrated.pad, Qt.Key.Key_Down)
    wanted = calibrated.value()
    calibrated.apply_button.click()
    file = live.setup.settings().alignment.file
    applied = load_alignment(file)
    assert (applied.dy_um, applied.dx_um) == pytest.approx((wanted.dy_um, wanted.dx_um))
    assert file in calibrated.standing.following.text()
    assert calibrated.calibration.message.text() == "Applied from the next session on."
    calibrated.calibrate_next_button.click()
    assert live.setup.settings().alignment.file is None
    assert calibrated.standing.following.text() == "as it is set up in the Live dock"


def test_a_live_dock_that_is_opened_later_gets_it_too(calibrated):
    calibrated.apply_button.click()
    live = LiveSessionWidget(calibrated.viewer)
    calibrated.viewer.window.add_dock_widget(live, name="live")
    assert live.setup.settings().alignment.file == calibrated.engine.alignment_file


def test_a_running_session_keeps_its_alignment_and_the_dock_says_so(
    calibrated, build_fake, tmp_path, qtbot
):
    live = LiveSessionWidget(calibrated.viewer)
    calibrated.viewer.window.add_dock_widget(live, name="live")
    live.engine.build = build_fake(lingers=True)
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.start.click()
    shown = calibrated.standing.session
    qtbot.waitUntil(lambda: "shift y +1.00 um" in shown.text(), timeout=5000)
    calibrated.apply_button.click()
    assert "running session keeps its own" in calibrated.calibration.message.text()
    assert "shift y +1.00 um" in shown.text()
    live.stop()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)


def test_the_alignment_of_a_session_can_be_taken_over(dock, build_fake, tmp_path, qtbot, errors):
    dock.session_button.click()
    assert "no session with an alignment yet" in errors[0]
    live = LiveSessionWidget(dock.viewer)
    dock.viewer.window.add_dock_widget(live, name="live")
    live.engine.build = build_fake(n_volumes=2)
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.start.click()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)
    dock.session_button.click()
    assert (dock.value().dy_um, dock.value().theta_deg) == (1.0, 0.4)
    newest = live.engine.run.session.latest().volume
    assert np.array_equal(layers(dock)[LAYER_NAMES[0]].data, newest.marker)
    assert dock.pad.isEnabled()


def test_a_drift_is_shown_and_warned_of(dock, build_fake, tmp_path, qtbot, monkeypatch, sessions):
    warned = []
    monkeypatch.setattr("napari_acll.widgets._alignment_widget.show_warning", warned.append)
    live = LiveSessionWidget(dock.viewer)
    dock.viewer.window.add_dock_widget(live, name="live")
    live.engine.build = build_fake(lingers=True)
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.start.click()
    qtbot.waitUntil(lambda: bool(sessions) and sessions[0].counters.n_traced == 5, timeout=5000)
    assert "not measured yet" in dock.standing.drift.text()
    near = ChannelDrift(index=52, dy_um=0.1, dx_um=0.0, agreement=0.4, n_nuclei=40)
    sessions[0].drift = near
    qtbot.waitUntil(lambda: "0.10 um off around volume 52" in dock.standing.drift.text())
    sessions[0].drift = ChannelDrift(index=105, dy_um=1.2, dx_um=0.9, agreement=0.4, n_nuclei=40)
    sessions[0].event.emit("drift", "The channels drifted.")
    qtbot.waitUntil(lambda: bool(warned))
    assert warned == ["The channels drifted."]
    assert "drift: The channels drifted." in live.status.notes.toPlainText()
    qtbot.waitUntil(lambda: "1.50 um off around volume 105" in dock.standing.drift.text())
    assert "calibrate for the next session" in dock.standing.drift.text()
    live.stop()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)


def test_flicker_shows_one_channel_at_a_time_and_rests_while_hidden(calibrated, qtbot):
    calibrated.window().show()  # what was never shown cannot be hidden
    qtbot.waitUntil(calibrated.isVisible, timeout=5000)
    calibrated.controls.modes[PreviewMode.FLICKER].click()
    marker, activity = (layers(calibrated)[name] for name in LAYER_NAMES[:2])
    assert calibrated.preview.is_flickering
    seen = set()

    def has_seen_both():
        seen.add((marker.visible, activity.visible))
        return {(True, False), (False, True)} <= seen

    qtbot.waitUntil(has_seen_both, timeout=5000)
    assert seen == {(True, False), (False, True)}
    calibrated.parentWidget().hide()
    assert not calibrated.preview.is_flickering
    assert marker.visible
    assert activity.visible
    calibrated.parentWidget().show()
    qtbot.waitUntil(lambda: calibrated.preview.is_flickering, timeout=5000)
    calibrated.controls.modes[PreviewMode.OVERLAY].click()
    assert not calibrated.preview.is_flickering


def test_a_checkerboard_is_one_picture_that_follows_the_nudges(calibrated, qtbot):
    calibrated.controls.modes[PreviewMode.CHECKERBOARD].click()
    assert set(layers(calibrated)) & set(LAYER_NAMES) == {LAYER_NAMES[2]}
    board = layers(calibrated)[LAYER_NAMES[2]]
    assert board.data.shape == (*ORIGINAL.shape[1:], 3)
    is_marker = board.data[..., 0] > 0
    assert not (is_marker & (board.data[..., 1] > 0)).any()
    before = np.array(board.data)
    qtbot.keyClick(calibrated.pad, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    after = np.array(board.data)
    assert np.array_equal(before[..., 0], after[..., 0])  # the marker stays
    assert not np.array_equal(before[..., 1], after[..., 1])


@pytest.mark.parametrize("projection", [Projection.MAXIMUM, Projection.MEAN])
def test_projections_are_previewed_under_the_same_transform(calibrated, projection):
    calibrated.controls.projection.setCurrentText(projection.value)
    marker, activity = (layers(calibrated)[name] for name in LAYER_NAMES[:2])
    assert marker.data.shape == ORIGINAL.shape[1:]
    wanted = activity_affine(calibrated.value(), ORIGINAL)[1:, 1:]
    assert np.allclose(np.asarray(activity.affine.affine_matrix)[-3:, -3:], wanted)


def test_the_preview_can_be_switched_off_and_leaves_other_layers_alone(calibrated):
    calibrated.controls.shown.click()
    assert set(layers(calibrated)) == {"red marker", "green activity"}
    calibrated.controls.shown.click()
    assert set(layers(calibrated)) == {"red marker", "green activity", *LAYER_NAMES[:2]}


def test_a_deleted_layer_of_the_preview_does_no_harm(calibrated, qtbot):
    calibrated.viewer.layers.remove(LAYER_NAMES[1])
    qtbot.keyClick(calibrated.pad, Qt.Key.Key_Right)
    calibrated.controls.modes[PreviewMode.FLICKER].click()
    assert LAYER_NAMES[1] in layers(calibrated)
    calibrated.controls.shown.click()


def test_a_simulated_recording_is_calibrated_by_its_path(dock, qtbot):
    from napari_acll.core import SourceSettings
    from napari_acll.simulate import SimulatedSource

    recording = "simulated:seed=5,volumes=2"
    dock.calibration.setup.set_recording(recording)
    dock.calibration.setup.n_volumes.setValue(2)
    dock.calibration.calibrate_button.click()
    wait_for_the_end(dock, qtbot)
    source = SimulatedSource.from_recording(recording, SourceSettings())
    center, _, angle = errors_of(dock.value(), source.worm.alignment, source.spec.grid)
    assert center <= 0.3
    assert angle <= 0.15
    assert dock.value().is_trusted


def test_the_recording_of_the_live_dock_comes_with_its_settings(dock, errors):
    setup = dock.calibration.setup
    setup.set_source(CalibrationOn.LIVE_DOCK)
    dock.calibration.calibrate_button.click()
    assert "No recording is chosen to calibrate on" in errors[0]
    live = LiveSessionWidget(dock.viewer)
    dock.viewer.window.add_dock_widget(live, name="live")
    live.setup.set_recording("simulated:seed=9")
    settings = live.setup.settings()
    crop = settings.preprocess.model_copy(update={"bin_px": 2})
    live.setup.set_settings(settings.model_copy(update={"preprocess": crop}))
    setup.n_volumes.setValue(30)
    request = setup.request()
    assert request.recording == "simulated:seed=9"
    assert request.settings.preprocess.bin_px == 2
    assert request.settings.alignment.n_volumes == 30
    assert request.settings.alignment.max_wait_volumes == 60


def test_a_dropped_file_becomes_the_recording(dock, tmp_path):
    dock.calibration.setup.set_source(CalibrationOn.LAYERS)
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tmp_path / "worm.nd2"))])
    buttons, modifiers = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    action = Qt.DropAction.CopyAction
    dock.dropEvent(QDropEvent(QPointF(5, 5), action, mime, buttons, modifiers))
    assert dock.calibration.setup.source() is CalibrationOn.RECORDING
    assert dock.calibration.setup.recording.value() == str(tmp_path / "worm.nd2")


def test_a_calibration_can_be_canceled_and_the_last_result_stays(
    calibrated, pairs, qtbot, monkeypatch
):
    before, source = calibrated.value(), GatedSource(pairs)
    start_on(calibrated, source, monkeypatch)
    assert source.asked.wait(10)
    assert not calibrated.calibration.calibrate_button.isEnabled()
    calibrated.calibration.cancel_button.click()
    source.gate.release()
    wait_for_the_end(calibrated, qtbot)
    assert calibrated.calibration.message.text() == "The calibration was canceled."
    assert calibrated.value() == before
    assert source.is_closed.is_set()


def test_progress_counts_usable_volumes(dock, pairs, qtbot, monkeypatch):
    source = GatedSource(pairs)
    start_on(dock, source, monkeypatch)
    source.gate.release()
    qtbot.waitUntil(lambda: dock.calibration.progress.value() == 1, timeout=TIMEOUT_MS)
    assert dock.calibration.progress.maximum() == 5
    source.gate.release(10)
    wait_for_the_end(dock, qtbot)
    assert dock.value().n_volumes == 5


@pytest.mark.parametrize("error", [RuntimeError("boom"), OSError("the disk is gone")])
def test_an_unexpected_error_of_the_thread_is_shown(
    dock, pairs, qtbot, monkeypatch, errors, error
):
    source = GatedSource(pairs, error=error)
    start_on(dock, source, monkeypatch)
    source.gate.release()
    wait_for_the_end(dock, qtbot)
    assert str(error) in errors[0]
    assert dock.value() is None
    assert source.is_closed.is_set()


def test_closing_the_dock_cancels_and_removes_the_preview(calibrated, pairs, monkeypatch):
    source = GatedSource(pairs)
    start_on(calibrated, source, monkeypatch)
    assert source.asked.wait(10)
    viewer, job = calibrated.viewer, calibrated.calibration.job
    viewer.window.remove_dock_widget(calibrated)
    source.gate.release()
    assert job.wait(10)
    assert job.is_canceled
    assert source.is_closed.is_set()
    assert not {layer.name for layer in viewer.layers} & set(LAYER_NAMES)
    calibrated.deleteLater()


def test_closing_the_viewer_mid_calibration_leaves_no_thread(
    make_napari_viewer_proxy, pairs, qtbot, monkeypatch
):
    viewer, source = make_napari_viewer_proxy(), GatedSource(pairs)
    dock = AlignmentWidget(viewer)
    viewer.window.add_dock_widget(dock)
    start_on(dock, source, monkeypatch)
    assert source.asked.wait(10)
    job = dock.calibration.job
    monkeypatch.undo()  # what it holds would keep the dock alive
    del dock
    viewer.close()
    qtbot.waitUntil(lambda: job.is_canceled, timeout=5000)
    source.gate.release()
    assert job.wait(10)
    assert job.error == ""
    assert source.is_closed.is_set()


def test_a_recording_that_is_missing_is_told_in_one_sentence(dock, errors, tmp_path, qtbot):
    dock.calibration.setup.set_recording(str(tmp_path / "none.nd2"))
    dock.calibration.calibrate_button.click()
    wait_for_the_end(dock, qtbot)
    assert "no recording at" in errors[0]
    assert errors[0] == dock.calibration.message.text()


def small(dtype=np.uint16, shape=(3, 8, 9)):
    return np.ones(shape, dtype)


@pytest.mark.parametrize(
    ("marker", "activity", "sentence"),
    [
        (small(), small(shape=(3, 8, 8)), "differ in shape"),
        (small(np.float32), small(), "counts are whole numbers"),
        (small(), small(shape=(8, 9)), "has 2 axes"),
        (-small(np.int16), small(), "negative"),
    ],
)
def test_layers_that_are_no_two_channels_are_told_in_one_sentence(
    dock, errors, qtbot, marker, activity, sentence
):
    dock.viewer.add_image(marker, name="marker", scale=(PX,) * marker.ndim)
    dock.viewer.add_image(activity, name="activity", scale=(PX,) * activity.ndim)
    dock.calibration.setup.set_source(CalibrationOn.LAYERS)
    dock.calibration.calibrate_button.click()
    qtbot.waitUntil(lambda: bool(errors), timeout=TIMEOUT_MS)
    assert sentence in errors[0]
    if dock.calibration.job is not None:
        assert dock.calibration.job.wait(5)


def test_layers_without_a_size_in_um_are_refused(dock, errors):
    for name in ("marker", "activity"):
        dock.viewer.add_image(small(), name=name)
    dock.calibration.setup.set_source(CalibrationOn.LAYERS)
    dock.calibration.calibrate_button.click()
    assert "how large its pixels are" in errors[0]


def test_one_layer_twice_and_none_at_all_are_refused(dock, errors):
    dock.calibration.setup.set_source(CalibrationOn.LAYERS)
    dock.calibration.calibrate_button.click()
    assert "Two image layers are needed" in errors[0]
    dock.viewer.add_image(small(), name="only", scale=(PX,) * 3)
    dock.calibration.setup.marker_box.refresh()
    dock.calibration.setup.activity_box.refresh()
    dock.calibration.calibrate_button.click()
    assert "choose two layers" in errors[1]


def test_layers_of_the_preview_are_not_offered_as_channels(calibrated):
    box = calibrated.calibration.setup.marker_box
    box.refresh()
    offered = {box.itemText(row) for row in range(box.count())}
    assert offered == {"red marker", "green activity"}


def test_the_layer_whose_name_fits_is_proposed(calibrated):
    assert calibrated.calibration.setup.marker_box.currentText() == "red marker"
    assert calibrated.calibration.setup.activity_box.currentText() == "green activity"


def test_everything_that_can_be_used_says_what_it_does(dock):
    from qtpy.QtWidgets import QAbstractButton, QComboBox, QSpinBox

    kinds = (QAbstractButton, QComboBox, QSpinBox)
    used = [w for kind in kinds for w in dock.findChildren(kind) if w.isVisibleTo(dock)]
    assert len(used) > 20
    assert not [w.text() for w in used if isinstance(w, QAbstractButton) and not w.toolTip()]
    assert not [w for w in used if not w.toolTip()]


def test_the_example_opens_the_dock_and_calibrates(monkeypatch, make_napari_viewer, qtbot):
    import runpy
    from pathlib import Path

    viewer = make_napari_viewer()
    monkeypatch.setattr("napari.Viewer", lambda **_: viewer)
    monkeypatch.setattr("napari.run", lambda: None)
    example = Path(__file__).parents[2] / "examples" / "align_channels.py"
    runpy.run_path(str(example))["main"]("simulated:seed=1,volumes=5")
    (widget,) = [w for w in viewer.window.dock_widgets.values() if isinstance(w, AlignmentWidget)]
    qtbot.waitUntil(lambda: widget.calibration.job is not None, timeout=5000)
    wait_for_the_end(SimpleNamespace(calibration=widget.calibration), qtbot)
    assert widget.value().is_trusted
