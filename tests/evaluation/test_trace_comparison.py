"""Traces compared with those of other pipelines: real ones, changed by what is known."""

import csv
import json
from dataclasses import replace

import h5py
import numpy as np
import PIL.Image  # noqa: F401  its libraries are no files that a test leaves open
import pytest

from napari_acll.cli import run
from napari_acll.core import SessionError, SettingsError
from napari_acll.evaluation import (
    AlignedBy,
    TraceTable,
    compare_traces,
    comparison_sentence,
    exchange_sentence,
    read_traces,
    write_comparison,
)
from napari_acll.evaluation._correlations import correlations, lagged_correlations

ANIMAL = "2022-07-26-31"


@pytest.fixture(scope="module")
def real(test_data) -> TraceTable:
    return read_traces(test_data / "traces" / f"{ANIMAL}-data.h5")


def one(comparison, neuron):
    return next(item for item in comparison.neurons if item.neuron == neuron)


def write_wide(path, table, *, times=True):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time_s" if times else "volume_index", *table.neurons])
        first = table.time_s if times else table.volume_index
        for at, row in zip(first, table.values, strict=True):
            writer.writerow([at, *("" if np.isnan(value) else value for value in row)])
    return path


def test_antsun_files_give_named_ratios(real, test_data):
    labels = json.loads((test_data / "traces" / "labels.json").read_text())["animals"][ANIMAL]
    column, entry = next(iter(labels.items()))
    with h5py.File(test_data / "traces" / f"{ANIMAL}-data.h5") as file:
        expected = file["gcamp/trace_array_original"][:, int(column)]
    assert np.array_equal(real.of((entry["label"],))[:, 0], expected)
    assert len(real.neurons) == len(labels)
    assert real.time_s[0] == 0
    assert 0.55 < real.period_s < 0.65


def test_traces_agree_with_themselves(real):
    found = compare_traces(real, real)
    assert found.correlation == pytest.approx(np.ones(len(real.neurons)))
    assert {item.lag_volumes for item in found.neurons} == {0}
    assert [item.scale for item in found.neurons] == pytest.approx([1.0] * len(real.neurons))
    assert (found.only_ours, found.only_other, found.exchanges) == ((), (), ())


def test_noise_scale_and_lag_are_found_as_they_were_made(real):
    rng = np.random.default_rng(0)
    spread = real.values.std(0)
    noisy = 4.0 * real.values + 2.0 + rng.normal(0, 4.0 * 0.5 * spread, real.values.shape)
    delayed = np.full_like(noisy, np.nan)
    delayed[3:] = noisy[:-3]
    found = compare_traces(real, replace(real, values=delayed))
    assert found.summary()["median_lag_volumes"] == 3
    at_lag = np.median([item.correlation_at_lag for item in found.neurons])
    # the noise has half the spread of the trace: r = 1 / sqrt(1 + 0.25)
    assert at_lag == pytest.approx(1 / np.sqrt(1.25), abs=0.01)
    scales = np.median([item.scale for item in found.neurons])
    assert scales == pytest.approx(1 / (4.0 * np.sqrt(1.25)), rel=0.02)
    seconds = one(found, found.neurons[0].neuron)
    assert seconds.lag_s == pytest.approx(seconds.lag_volumes * real.period_s)


def test_exchanged_names_are_found_and_only_those(real):
    matrix = correlations(real.values, real.values, min_shared=20)
    alike = np.where(np.isfinite(matrix), matrix, 0) - 2 * np.eye(len(matrix))
    loner = int(np.argmin(alike.max(1)))
    partner = int(np.argmin(alike.max(1) + 2 * (np.arange(len(matrix)) == loner)))
    names = list(real.neurons)
    names[loner], names[partner] = names[partner], names[loner]
    found = compare_traces(real, replace(real, neurons=tuple(names)))
    told = {(item.neuron, item.fits): item for item in found.exchanges}
    pair = real.neurons[loner], real.neurons[partner]
    assert set(told) == {pair, pair[::-1]}
    assert all(item.is_mutual for item in told.values())
    assert told[pair].correlation == pytest.approx(1.0)
    assert told[pair].correlation_as_named == pytest.approx(matrix[loner, partner])
    assert "exchanged" in exchange_sentence(told[pair])


def test_a_name_that_the_other_lacks_is_told_with_what_fits_it(real):
    names = ("unknown 7", *real.neurons[1:])
    found = compare_traces(real, replace(real, neurons=names))
    assert (found.only_ours, found.only_other) == ((real.neurons[0],), ("unknown 7",))
    assert [(item.neuron, item.fits) for item in found.exchanges] == [
        (real.neurons[0], "unknown 7")
    ]
    assert f"1 only in {real.source}" in comparison_sentence(found)


def test_tables_are_aligned_by_time_or_by_volume(real, tmp_path):
    every_second = replace(
        real,
        values=real.values[::2],
        volume_index=real.volume_index[::2],
        time_s=real.time_s[::2],
    )
    timed = read_traces(write_wide(tmp_path / "timed.csv", every_second))
    counted = read_traces(write_wide(tmp_path / "counted.csv", every_second, times=False))
    by_volume = compare_traces(real, counted)
    assert (by_volume.by, len(by_volume.ours.values)) == (AlignedBy.VOLUME, 400)
    assert by_volume.correlation == pytest.approx(np.ones(len(real.neurons)))
    by_time = compare_traces(real, timed)
    assert by_time.by is AlignedBy.TIME
    between = by_time.other.values[1]  # the volume that the table lacks: in the middle of two
    share = (real.time_s[1] - real.time_s[0]) / (real.time_s[2] - real.time_s[0])
    assert between == pytest.approx((1 - share) * real.values[0] + share * real.values[2])


def test_gaps_are_not_filled_and_count_for_neither():
    rng = np.random.default_rng(1)
    left, right = rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    left[5:20, 0], right[30:35, 0], right[:, 2] = np.nan, np.nan, 1.0
    both = np.isfinite(left[:, 0]) & np.isfinite(right[:, 0])
    expected = np.corrcoef(left[both, 0], right[both, 0])[0, 1]
    found = correlations(left, right, min_shared=20)
    assert found[0, 0] == pytest.approx(expected)
    assert found[1, 1] == pytest.approx(np.corrcoef(left[:, 1], right[:, 1])[0, 1])
    assert np.isnan(found[:, 2]).all()
    assert np.isnan(correlations(left, right, min_shared=41)[0, 0])
    lagged = lagged_correlations(left[:, 1:2], right[:, 1:2], np.array([-2, 2]), min_shared=20)
    assert lagged[0, 0] == pytest.approx(np.corrcoef(left[2:, 1], right[:-2, 1])[0, 1])
    assert lagged[1, 0] == pytest.approx(np.corrcoef(left[:-2, 1], right[2:, 1])[0, 1])


def test_a_comparison_is_written_as_page_table_and_json(real, tmp_path):
    few = replace(real, neurons=real.neurons[:16], values=real.values[:, :16])
    found = compare_traces(few, few)
    page = write_comparison(found, tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 4
    with (tmp_path / "out" / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["neuron"] for row in rows] == list(few.neurons)
    content = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    assert content["summary"]["median_correlation"] == pytest.approx(1.0)
    with pytest.raises(SessionError, match="already"):
        write_comparison(found, tmp_path / "out")


def test_the_command_compares_two_files(real, test_data, tmp_path, capsys):
    other = write_wide(tmp_path / "other.csv", real)
    file = test_data / "traces" / f"{ANIMAL}-data.h5"
    assert run(["compare", str(file), str(other), "--by", "time"]) == 0
    shown = capsys.readouterr()
    assert "correlate with 1.00 in the median" in shown.out
    assert "have no name and are left out" in shown.err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("when,AVAL\n1,2\n", "no column of times or volumes"),
        ("time_s,AVAL\n1,much\n", "expected a number"),
        ("time_s,AVAL,AVAL\n1,2,3\n", "twice"),
        ("volume,AVAL\n1,2\n1,3\n", "one row per volume"),
        ("volume,AVAL\n0.5,2\n0.7,3\n", "a whole one from 0 on"),
        ("volume,AVAL\n-1,2\n0,3\n", "a whole one from 0 on"),
        ("time_s,AVAL\n2,1\n1,1\n", "1 s after 2 s; expected one row per volume"),
        ("time_s,AVAL\n1,1\n1,1\n", "in order of time"),
    ],
)
def test_tables_that_cannot_be_compared_say_why(tmp_path, text, says):
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SessionError, match=says):
        read_traces(tmp_path / "table.csv")


def test_recordings_without_a_common_volume_are_refused():
    values = np.ones((3, 1))
    table = TraceTable(
        source="a",
        neurons=("AVAL",),
        values=values,
        volume_index=np.arange(3),
        time_s=np.full(3, np.nan),
    )
    with pytest.raises(SessionError, match="no volume in common"):
        compare_traces(table, replace(table, volume_index=np.arange(7, 10)))
    with pytest.raises(SettingsError, match="compare by volume"):
        compare_traces(table, table, by=AlignedBy.TIME)


def made_up(names, *, n=60, seed=0, period_s=0.6):
    """Smooth traces that have nothing to do with each other."""
    steps = np.random.default_rng(seed).normal(size=(n + 9, len(names)))
    values = np.stack([steps[at : at + 10].mean(0) for at in range(n)])
    return TraceTable(
        source=f"table {seed}",
        neurons=tuple(names),
        values=values,
        volume_index=np.arange(n),
        time_s=period_s * np.arange(n),
    )


def test_names_that_are_written_otherwise_are_the_same():
    table = made_up(("VB02", "AVAL", "RMED", "IL1"))
    other = replace(table, source="theirs", neurons=("vb2", " AVAL", "RMEDL", "IL10"))
    found = compare_traces(table, other)
    assert [item.neuron for item in found.neurons] == ["VB02", "AVAL"]
    assert (found.only_ours, found.only_other) == (("IL1", "RMED"), ("IL10", "RMEDL"))
    assert any("such as vb2 for VB02" in note for note in found.notes)


def test_names_that_would_be_two_neurons_are_left_as_they_are():
    table = made_up(("VB02", "AVAL"))
    found = compare_traces(table, replace(table, neurons=("VB2", "vb02")))
    assert found.neurons == ()
    assert any("No neuron has the same name in both" in note for note in found.notes)
    assert {(item.neuron, item.fits) for item in found.exchanges} == {
        ("VB02", "VB2"),
        ("AVAL", "vb02"),
    }


def test_names_are_exchanged_only_if_both_ways_fit():
    table = made_up(("AVAL", "RID"))
    other = replace(table, values=table.values[:, ::-1].copy())
    assert all(item.is_mutual for item in compare_traces(table, other).exchanges)
    other.values[:, 0] = made_up(("RID", "AVAL"), seed=1).values[:, 0]
    (found,) = compare_traces(table, other).exchanges
    assert (found.neuron, found.fits, found.is_mutual) == ("AVAL", "RID", False)


def test_a_lag_says_something_only_where_traces_correlate():
    table = made_up(("AVAL", "RID", "AVBL"))
    values = np.roll(table.values, 2, axis=0)
    values[:, 1] = np.random.default_rng(3).normal(size=60)  # correlates with nothing
    values[:2] = np.nan
    found = compare_traces(table, replace(table, source="late", values=values))
    assert found.lags.tolist() == [2, 2]
    assert "late is 2 volumes later in the median of 2 neurons" in comparison_sentence(found)
    noise = replace(table, values=np.random.default_rng(4).normal(size=(60, 3)))
    assert "later" not in comparison_sentence(compare_traces(table, noise))


def test_times_that_are_not_in_seconds_are_told():
    ours = made_up(("AVAL",))
    milliseconds = replace(ours, source="ms", time_s=1000 * ours.time_s)
    with pytest.raises(SessionError, match=r"every 600 s, table 0 every 0\.6 s"):
        compare_traces(ours, milliseconds, by=AlignedBy.TIME)


def test_two_tables_of_one_name_are_told_apart():
    table = made_up(("AVAL", "RID"))
    found = compare_traces(table, table)
    assert (found.ours.source, found.other.source) == ("table 0 (first)", "table 0 (second)")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_tables_of_other_spreadsheets_are_read(tmp_path, separator):
    text = "volume,AVAL,RID\n0,1.5,2\n1,2.5,\n".replace(",", separator)
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    table = read_traces(tmp_path / "table.csv")
    assert table.neurons == ("AVAL", "RID")
    assert table.values[:, 0].tolist() == [1.5, 2.5]


def test_volumes_that_begin_with_1_are_told(tmp_path):
    (tmp_path / "table.csv").write_text("volume,AVAL\n1,1\n2,2\n", encoding="utf-8")
    (note,) = read_traces(tmp_path / "table.csv").notes
    assert "subtract 1" in note


def antsun(path, values, times):
    with h5py.File(path, "w") as file:
        file["gcamp/trace_array_original"] = values
        file["timing/timestamp_confocal"] = times
    return path


@pytest.mark.parametrize(
    ("values", "times"),
    [
        ([[b"a", b"b"]], [1.0]),
        (np.ones((1, 2)), 1.0),
        (np.ones((0, 2)), np.ones(0)),
        (np.ones((3, 2)), [1.0, 2.0]),
        (np.ones((3, 2)), [1.0, 3.0, 2.0]),
    ],
    ids=["words", "one time", "nothing", "too few times", "times that go back"],
)
def test_files_that_antsun_would_not_write_say_why(tmp_path, values, times):
    with pytest.raises(SessionError, match="expected"):
        read_traces(antsun(tmp_path / "x-data.h5", values, times))


@pytest.mark.parametrize("content", ["[1]", '{"animals": {"y": {}}}', '{"animals": 1}'])
def test_names_of_columns_that_are_of_nothing_say_so(tmp_path, content):
    file = antsun(tmp_path / "x-data.h5", np.ones((3, 2)), [1.0, 2.0, 3.0])
    (tmp_path / "labels.json").write_text(content, encoding="utf-8")
    with pytest.raises(SessionError, match="has no names for x"):
        read_traces(file)


@pytest.mark.parametrize("name", ["gone.csv", "gone.h5", "gone", "a.txt", "a.csv", "a.h5", "a"])
def test_whatever_is_wrong_with_a_table_the_exit_code_is_that_of_tables(tmp_path, name, capsys):
    for suffix in (".txt", ".csv", ".h5"):
        (tmp_path / f"a{suffix}").write_text("nothing", encoding="utf-8")
    (tmp_path / "a").mkdir()
    (tmp_path / "good.csv").write_text("volume,AVAL\n0,1\n1,2\n", encoding="utf-8")
    assert run(["compare", str(tmp_path / "good.csv"), str(tmp_path / name)]) == 6
    assert name in capsys.readouterr().err


def test_the_page_is_there_though_nobody_reads_the_table(tmp_path, monkeypatch):
    rows = "\n".join(f"{number},{np.sin(number)}" for number in range(30))
    (tmp_path / "a.csv").write_text(f"volume,AVAL\n{rows}\n", encoding="utf-8")

    def nobody_reads(*_args, **_kwargs):
        raise BrokenPipeError

    monkeypatch.setattr("napari_acll.cli._compare.typer.echo", nobody_reads)
    words = ["compare", *2 * [str(tmp_path / "a.csv")], "--out", str(tmp_path / "out")]
    assert run(words) != 0
    assert (tmp_path / "out" / "comparison.html").exists()


def test_names_of_columns_that_neither_table_has_are_refused(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("volume,AVAL\n0,1\n1,2\n", encoding="utf-8")
    words = ["compare", *2 * [str(tmp_path / "a.csv")], "--labels", str(tmp_path / "labels.json")]
    assert run(words) == 5
    assert "leave out --labels" in capsys.readouterr().err
