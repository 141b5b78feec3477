from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmark_animals import LISTED, NAMELESS, UNKNOWN, UNLISTED

pytest.importorskip("skimage", reason="the second renderer draws outlines with scikit-image")

from benchmark_baselines import baselines
from benchmark_cases import Case, benchmark_cases, disturbed_cases
from benchmark_scores import CLUTTER, errors_of, summarize_tallies, tally
from benchmark_tables import markdown, write_figures
from benchmark_volumes import Bench, BenchmarkVolume

from napari_acll.core import N_CANDIDATES, Detections
from napari_acll.simulate import Anatomy
from napari_acll.training import RenderedVolume, atlas_of

CASE = Case(group="simulated", renderer="own", animal="0", flavor="simulated")


@pytest.fixture(scope="module")
def volume() -> BenchmarkVolume:
    return Bench(None, None).volume(CASE)


def all_right(volume: BenchmarkVolume, *, probability: float = 1.0) -> Detections:
    """Detections at every nucleus inside, with the name that it has."""
    truth = volume.rendered.truth
    inside = truth.is_inside(volume.rendered.volume.spec.shape)
    neuron = truth.class_numbers(Anatomy.load().neurons)[inside]
    n = len(neuron)
    candidates = np.full((n, N_CANDIDATES), -1, np.int32)
    candidates[:, 0] = neuron
    chance = np.where(neuron > 0, probability, 0).astype(np.float32)
    return Detections(
        centroid_px=truth.centroid_px[inside].astype(np.float32),
        n_voxels=np.ones(n, np.int32),
        neuron=neuron,
        probability=chance,
        candidate_neuron=candidates,
        candidate_probability=np.zeros((n, N_CANDIDATES), np.float32),
    )


def scored(found: Detections, volume: BenchmarkVolume) -> dict:
    return summarize_tallies([tally(found, volume, Anatomy.load().neurons)])


def test_who_knows_everything_scores_full(volume: BenchmarkVolume) -> None:
    scores = scored(all_right(volume), volume)
    for name in ("right", "right_in_3", "share_confident", "detection_f1", "listed_recall"):
        assert scores[name]["value"] == 1
    assert scores["nameless_confident"]["value"] == 0
    assert scores["calibration_error_all"]["value"] == pytest.approx(0, abs=1e-6)
    assert scores["center_error_um"]["value"] == pytest.approx(0, abs=1e-3)


def test_who_finds_nothing_scores_nothing(volume: BenchmarkVolume) -> None:
    scores = scored(Detections.none(), volume)
    assert scores["right"]["value"] == scores["detection_recall"]["value"] == 0
    errors = errors_of(
        [tally(Detections.none(), volume, Anatomy.load().neurons)],
        Anatomy.load().neurons,
        Anatomy.load(),
    )
    assert errors["missed"] == 1


def test_a_missed_nucleus_is_not_right(volume: BenchmarkVolume) -> None:
    found = all_right(volume)
    row = tally(found, volume, Anatomy.load().neurons)
    listed = np.flatnonzero(row.kind == LISTED)
    keep = np.setdiff1d(np.arange(len(found)), listed[:10])
    rest = Detections(**{name: getattr(found, name)[keep] for name in Detections.__slots__})
    scores = scored(rest, volume)
    assert scores["right"]["value"] == pytest.approx(1 - 10 / len(listed), abs=1e-3)


def test_swapped_sides_are_counted_as_such(volume: BenchmarkVolume) -> None:
    anatomy = Anatomy.load()
    number = {name: index + 1 for index, name in enumerate(anatomy.neurons.names)}
    found = all_right(volume)
    swapped = found.neuron.copy()
    for at, neuron in enumerate(found.neuron):
        name = anatomy.neurons.names[neuron - 1] if neuron else ""
        other = number.get(name[:-1] + {"L": "R", "R": "L"}.get(name[-1:], "?"), 0)
        swapped[at] = other or neuron
    row = tally(replace(found, neuron=swapped), volume, anatomy.neurons)
    errors = errors_of([row], anatomy.neurons, anatomy)
    wrong = ((row.given != row.true) & (row.kind == LISTED)).sum()
    assert wrong > 20
    assert errors["left for right"] == pytest.approx(wrong / (row.kind == LISTED).sum(), abs=1e-3)


def test_names_on_what_has_none_are_counted_by_what_it_is(volume: BenchmarkVolume) -> None:
    found = all_right(volume)
    kind = np.full(len(volume.kind), LISTED, np.int8)
    kind[::4], kind[1::4], kind[2::4] = UNLISTED, UNKNOWN, NAMELESS
    everywhere = replace(
        found,
        neuron=np.arange(1, len(found) + 1, dtype=np.int32),
        probability=np.full(len(found), 0.9, np.float32),
    )
    scores = scored(everywhere, replace(volume, kind=kind))
    for name in ("unlisted", "unknown", "nameless"):
        assert scores[f"{name}_confident"]["value"] == 1


def test_a_detection_beside_every_nucleus_is_clutter(volume: BenchmarkVolume) -> None:
    found = all_right(volume)
    far = replace(found, centroid_px=found.centroid_px + 1000)
    row = tally(far, volume, Anatomy.load().neurons)
    assert (row.found_kind == CLUTTER).all()
    assert scored(far, volume)["clutter_confident"]["value"] > 0.5


def test_overconfidence_shows_as_the_gap(volume: BenchmarkVolume) -> None:
    anatomy = Anatomy.load()
    found = all_right(volume, probability=0.95)
    named = np.flatnonzero(found.neuron)
    wrong = found.neuron.copy()
    half = named[: len(named) // 2]
    wrong[half] = found.neuron[np.roll(half, 1)]
    row = tally(replace(found, neuron=wrong), volume, anatomy.neurons)
    share = float((row.found_given == row.found_true)[row.found_given > 0].mean())
    scores = summarize_tallies([row])
    assert scores["calibration_error_all"]["value"] == pytest.approx(0.95 - share, abs=2e-3)


def test_the_calibration_of_listed_nuclei_leaves_the_others_out(volume: BenchmarkVolume) -> None:
    row = tally(all_right(volume), volume, Anatomy.load().neurons)
    is_other = row.found_kind != LISTED
    wrong = np.where(is_other, -1, row.found_true)
    scores = summarize_tallies([replace(row, found_true=wrong)])
    assert scores["calibration_error_listed"]["value"] == pytest.approx(0, abs=1e-6)
    assert scores["calibration_error_all"]["value"] > 0.2


def test_the_standard_error_is_that_over_animals(volume: BenchmarkVolume) -> None:
    neurons = Anatomy.load().neurons
    good = tally(all_right(volume), volume, neurons)
    bad = replace(tally(Detections.none(), volume, neurons), animal="1")
    same = [replace(good, animal=str(number)) for number in range(4)]
    assert summarize_tallies(same)["right"]["error"] == 0
    spread = summarize_tallies([good, bad])["right"]
    assert spread["value"] == pytest.approx(0.5, abs=1e-3)
    # one of two animals drawn twice: 0, 1/2, 1/2 or 1
    assert spread["error"] == pytest.approx(np.sqrt(1 / 8), abs=0.04)


def test_the_oracle_names_an_animal_that_is_the_atlas(volume: BenchmarkVolume) -> None:
    anatomy = Anatomy.load()
    truth, grid = volume.rendered.truth, volume.rendered.volume.spec.grid
    number = np.flatnonzero(truth.class_numbers(anatomy.neurons) > 0)
    rows = truth.class_numbers(anatomy.neurons)[number] - 1
    place = anatomy.mean_um[rows] * [1.1, 0.9, 1.05] + 200
    lying = replace(
        truth,
        names=tuple(truth.names[n] for n in number),
        is_listed=np.ones(len(number), bool),
        centroid_px=place / 0.54,
    )
    spec = replace(volume.rendered.volume.spec, grid=replace(grid, shape=(999, 999, 999)))
    rendered = RenderedVolume(
        volume=replace(volume.rendered.volume, spec=spec),
        truth=lying,
        masks=volume.rendered.masks,
    )
    made = BenchmarkVolume(
        case=volume.case, rendered=rendered, kind=np.full(len(number), LISTED, np.int8)
    )
    found = replace(all_right(made), neuron=np.zeros(len(number), np.int32))
    named = baselines(found, made, atlas_of(anatomy), anatomy.neurons)
    assert scored(named["oracle"], made)["right"]["value"] > 0.97
    assert 0 < named["oracle"].probability.max() <= 1
    some = replace(made, kind=np.where(np.arange(len(number)) % 2, LISTED, UNLISTED))
    told = baselines(found, some, atlas_of(anatomy), anatomy.neurons)
    given = told["oracle, told what is listed"].neuron
    assert ((given > 0) == (some.kind == LISTED)).all()


def test_volumes_come_back_from_the_folder_as_they_were(tmp_path: Path) -> None:
    first = Bench(None, tmp_path).volume(CASE)
    (file,) = tmp_path.iterdir()
    stamp = file.stat().st_mtime_ns
    again = Bench(None, tmp_path).volume(CASE)
    assert file.stat().st_mtime_ns == stamp
    assert np.array_equal(first.rendered.volume.marker, again.rendered.volume.marker)
    fresh = Bench(None, None).volume(CASE)
    assert np.array_equal(fresh.rendered.volume.marker, again.rendered.volume.marker)
    assert fresh.rendered.truth.names == again.rendered.truth.names
    assert np.array_equal(fresh.kind, again.kind)


def test_disturbances_change_the_volume_and_not_the_animal() -> None:
    keys = [("SF", str(number)) for number in range(20)] + [("EY", "a"), ("SK1", "b")]
    cases = benchmark_cases(keys, n_simulated=1, n_poses=2, is_validation=True)
    assert len({case.digest() for case in cases}) == len(cases)
    own = [case for case in cases if case.renderer == "own"]
    for levels in disturbed_cases(own).values():
        (_, calm), *rest = levels
        assert [case.digest() for case in calm] == [case.digest() for case in own]
        for _, disturbed in rest:
            assert [case.seed for case in disturbed] == [case.seed for case in own]
            assert not {case.digest() for case in disturbed} & {case.digest() for case in own}


def test_tables_and_figures_tell_the_scores(volume: BenchmarkVolume, tmp_path: Path) -> None:
    anatomy = Anatomy.load()
    rows = [tally(all_right(volume), volume, anatomy.neurons)]
    scores = summarize_tallies(rows)
    scores["errors"] = errors_of(rows, anatomy.neurons, anatomy)
    result = {
        "sets": {"made up": {"model": scores}},
        "label_s": {"median": 0.1, "best": 0.1},
        "n_animals": None,
    }
    text = markdown(result)
    assert "| made up | 1 / 1 | model | 100.0 | 100.0 | 100.0 | 100.0 |" in text
    write_figures(result, tmp_path)
    assert (tmp_path / "reliability.png").stat().st_size > 5000
