import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_acll.simulate import ActivitySettings, Anatomy, sample_traces
from napari_acll.simulate._activity import trace_column


def traces(anatomy: Anatomy, seed: int, n_volumes: int = 1600) -> np.ndarray:
    return sample_traces(
        anatomy.neurons.names,
        n_volumes,
        0.6,
        np.random.default_rng(seed),
        settings=ActivitySettings(),
    )


def pair_correlations(trace: np.ndarray, names: list[str]) -> list[float]:
    row = {name: index for index, name in enumerate(names)}
    pairs = [(n, n[:-1] + "R") for n in names if n.endswith("L") and n[:-1] + "R" in row]
    return [float(np.corrcoef(trace[row[a]], trace[row[b]])[0, 1]) for a, b in pairs]


@pytest.fixture
def real_traces() -> list[tuple[np.ndarray, list[str]]]:
    folder = os.environ.get("ACLL_TEST_DATA")
    if not folder:
        pytest.skip("needs real data: set ACLL_TEST_DATA")
    found = []
    animals = json.loads((Path(folder) / "traces" / "labels.json").read_text())["animals"]
    for key, labels in animals.items():
        with h5py.File(Path(folder) / "traces" / f"{key}-data.h5") as file:
            trace = file["gcamp/trace_array_original"][:].T
        names = [f"#{index}" for index in range(len(trace))]
        for column, entry in labels.items():
            if "?" not in entry["label"]:
                names[int(column)] = entry["label"]
        found.append((trace / np.quantile(trace, 0.2, axis=1, keepdims=True), names))
    return found


def test_the_distribution_of_activity_is_the_real_one(anatomy: Anatomy, real_traces) -> None:
    quantiles = [0.05, 0.5, 0.95]
    real = np.mean([np.quantile(trace, quantiles) for trace, _ in real_traces], axis=0)
    virtual = np.mean([np.quantile(traces(anatomy, s), quantiles) for s in range(4)], axis=0)
    assert virtual == pytest.approx(real, rel=0.15)


def test_left_and_right_go_together_as_they_do(anatomy: Anatomy, real_traces) -> None:
    real = np.concatenate([pair_correlations(*recording) for recording in real_traces])
    names = list(anatomy.neurons.names)
    virtual = np.concatenate([pair_correlations(traces(anatomy, s), names) for s in range(4)])
    assert np.median(virtual) == pytest.approx(np.median(real), abs=0.15)


def test_left_and_right_go_together_more_than_any_two(anatomy: Anatomy) -> None:
    trace = traces(anatomy, 0)
    rng = np.random.default_rng(0)
    shuffled = trace[rng.permutation(len(trace))]
    names = list(anatomy.neurons.names)
    assert np.median(pair_correlations(trace, names)) > 0.4
    assert np.median(np.abs(pair_correlations(shuffled, names))) < 0.35


def test_a_gfp_animal_has_no_activity() -> None:
    settings = ActivitySettings(reporter="gfp")
    trace = sample_traces(["AVAL"], 50, 0.6, np.random.default_rng(0), settings=settings)
    assert np.array_equal(trace, np.ones((1, 50)))


def test_a_volume_does_not_depend_on_how_long_the_recording_is(anatomy: Anatomy) -> None:
    assert np.array_equal(traces(anatomy, 1, 5), traces(anatomy, 1, 700)[:, :5])


def test_an_endless_recording_takes_no_endless_memory(anatomy: Anatomy) -> None:
    trace = traces(anatomy, 1, 10**12)
    columns = [trace_column(index) for index in range(3 * trace.shape[1])]
    assert sorted(set(columns)) == list(range(trace.shape[1]))
    assert np.abs(np.diff(columns)).max() == 1  # without a jump at the turn


@pytest.mark.parametrize("n_volumes", [1, 2, 10])
def test_a_short_recording_has_activity_too(anatomy: Anatomy, n_volumes: int) -> None:
    trace = traces(anatomy, 1, n_volumes)
    assert trace.shape == (len(anatomy.neurons), n_volumes)
    assert np.all(trace > 0)


def test_light_decays_and_jumps_with_the_laser() -> None:
    settings = ActivitySettings(bleach_time_s=100.0, laser_step_s=50.0, laser_step_factor=1.2)
    assert settings.light(0.0) == 1.0
    assert settings.light(49.0) == pytest.approx(np.exp(-0.49))
    assert settings.light(50.0) == pytest.approx(1.2 * np.exp(-0.5))
