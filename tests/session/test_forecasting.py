import numpy as np
from tests.session.saved_sessions import make_saved
from tests.session.test_session import make_session, run

from napari_acll.core import NeuronTable, TraceSample, VolumeStatus
from napari_acll.export import SavedSession, export_csv
from napari_acll.quality import Forecast, TraceQuality
from napari_acll.session._forecasting import Forecasting
from napari_acll.testing import FakeSource, MemoryWriter

NEURONS = NeuronTable.numbered(20)


def told(n_volumes, *, confidence=0.4, identity_filter="none", step=1):
    """Return what is told of volumes of which one in `step` can be labeled."""
    quality = TraceQuality(NEURONS, (0.5, 0.5, 0.5))
    forecasting, events = Forecasting(quality, identity_filter), []
    for index in range(n_volumes):
        status = VolumeStatus.TRACED if index % step == 0 else VolumeStatus.UNLABELABLE
        sample = TraceSample.absent(index, 0.6 * index, len(NEURONS), status)
        if status is VolumeStatus.TRACED:
            sample.confidence[:] = confidence
        quality.add(sample)
        events += [(index, event.kind, event.message) for event in forecasting.look(index)]
    return events, forecasting


def test_the_first_forecast_and_a_bad_animal_are_told_once():
    events, forecasting = told(95)
    assert [(index, kind) for index, kind, _ in events] == [(29, "forecast"), (29, "bad animal")]
    assert "Consider another animal" in events[1][2]
    assert forecasting.newest.n_labeled == 90


def test_a_good_animal_is_not_warned_of():
    assert [kind for _, kind, _ in told(95, confidence=0.98)[0]] == ["forecast"]


def test_an_animal_that_can_hardly_be_labeled_is_told_of_within_a_minute():
    every_third, _ = told(100, confidence=0.98, step=3)
    assert [(index, kind) for index, kind, _ in every_third] == [
        (59, "bad animal"),
        (87, "forecast"),
    ]
    assert "Only 20 of the first 60 volumes" in every_third[0][2]
    half, _ = told(100, confidence=0.98, step=2)
    assert [(index, kind) for index, kind, _ in half] == [(58, "forecast")]


def test_at_the_end_it_rests_on_everything():
    _, forecasting = told(70)
    assert forecasting.last().details["n_labeled"] == 70
    assert told(29)[1].last() is None


def test_of_a_filter_that_nobody_fitted_it_for_that_is_told_once():
    events, forecasting = told(95, identity_filter="somebody_elses")
    assert [kind for _, kind, _ in events] == ["forecast"]
    assert "somebody_elses" in events[0][2]
    assert forecasting.newest is None
    assert forecasting.last() is None


def test_a_session_tells_its_forecast_and_shows_it():
    writer = MemoryWriter()
    session = run(make_session(FakeSource(range(35)), writers=[writer]))
    kinds = [kind for kind, _ in writer.events]
    assert kinds.count("forecast") == 2
    assert session.forecast.n_labeled == 35
    assert not make_session(FakeSource(range(2))).forecast


def test_a_session_folder_and_its_table_have_the_forecasts(tmp_path):
    saved = SavedSession.open(make_saved(tmp_path, 33))
    first, last = saved.forecasts()
    assert (first["n_labeled"], last["n_labeled"]) == (30, 33)
    forecast = Forecast.from_json(last, saved.neurons)
    assert np.isfinite(forecast.accuracy.value[:3]).all()
    export_csv(saved, tmp_path / "traces.csv")
    header, *rows = (tmp_path / "traces.forecast.csv").read_text().splitlines()
    assert header.startswith("at_index,neuron,verdict,accuracy,accuracy_low")
    assert len(rows) == len(first["neurons"]["neuron"]) + len(last["neurons"]["neuron"])
    assert rows[0].startswith("29,AVAL,")
