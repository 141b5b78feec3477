import threading

import numpy as np
import pytest

from napari_acll.core import RandomAccessSource, RecordingError, SourceSettings, load_stage
from napari_acll.simulate import SimulatedSource


def source(options: str = "") -> SimulatedSource:
    return SimulatedSource.from_recording(
        f"simulated:seed=3,volumes=3,geometry=small{options}", SourceSettings()
    )


def test_it_is_a_source_that_is_found_by_name() -> None:
    assert isinstance(source(), RandomAccessSource)
    assert load_stage("sources", "simulated") is SimulatedSource


def test_iterating_gives_what_reading_gives() -> None:
    one, other = source(), source()
    for index, volume in enumerate(one):
        assert volume.index == index
        assert np.array_equal(volume.marker, other.read(index).marker)
    assert list(other.indices) == [0, 1, 2]
    assert not other.is_live


def test_it_opens_at_once_however_long_it_is() -> None:
    long = SimulatedSource.from_recording(
        "simulated:geometry=small,volumes=1000000000", SourceSettings()
    )
    assert long.spec.n_volumes == 1_000_000_000
    assert long.read(999_999_999).index == 999_999_999


@pytest.mark.parametrize(
    ("geometry", "shape", "voxel_um"),
    [
        ("binned", (80, 210, 322), (0.54, 0.54, 0.54)),
        ("raw", (80, 630, 966), (0.54, 0.18, 0.18)),
    ],
)
def test_geometries_are_those_of_the_original(geometry, shape, voxel_um) -> None:
    spec = SimulatedSource.from_recording(f"simulated:geometry={geometry}", SourceSettings()).spec
    assert spec.shape == shape
    assert spec.voxel_size_um == voxel_um
    assert spec.period_s == 0.6


def test_the_plain_name_is_enough() -> None:
    assert SimulatedSource.rejects("simulated") == ""
    plain = SimulatedSource.from_recording("simulated", SourceSettings())
    assert plain.spec.n_volumes == 200


def test_other_recordings_are_rejected_with_a_reason() -> None:
    assert "simulated" in SimulatedSource.rejects("/data/worm.nd2")
    with pytest.raises(RecordingError, match=r"Cannot simulate '/data/worm.nd2'"):
        SimulatedSource.from_recording("/data/worm.nd2", SourceSettings())


@pytest.mark.parametrize("bad", ["seeds=3", "binned", "geometry"])
def test_an_unknown_option_is_an_error_that_lists_the_valid_ones(bad: str) -> None:
    with pytest.raises(RecordingError) as error:
        SimulatedSource.from_recording(f"simulated:{bad}", SourceSettings())
    for name in SimulatedSource.OPTIONS:
        assert f"{name}=" in str(error.value)


@pytest.mark.parametrize(
    "bad", ["seed=-1", "seed=x", "volumes=0", "geometry=big", "light=0", "light=nan", "motion="]
)
def test_a_bad_value_is_an_error_that_names_it(bad: str) -> None:
    with pytest.raises(RecordingError, match=rf"{bad.partition('=')[0]}.*got"):
        SimulatedSource.from_recording(f"simulated:{bad}", SourceSettings())


def test_options_change_the_recording() -> None:
    usual = source().read(0).marker
    assert source(",light=3").read(0).marker.max() > usual.max()
    still = source(",motion=still")
    assert still.truth(0).centroid_px == pytest.approx(still.truth(2).centroid_px)
    assert np.all(source(",reporter=gfp").truth(1).ratio == 1.0)
    assert source(",orientation=right").worm.orientation == "right"


def test_the_truth_belongs_to_the_volume() -> None:
    opened = source()
    truth, volume = opened.truth(1), opened.read(1)
    assert truth.time_s == volume.timestamp_s
    assert set(filter(None, truth.names)) <= set(opened.neurons.names)


def test_the_period_of_the_settings_is_used() -> None:
    slow = SimulatedSource.from_recording("simulated", SourceSettings(period_s=1.2))
    assert slow.spec.period_s == 1.2
    assert slow.truth(1).time_s == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("chosen", "is_told"),
    [
        ({}, False),
        ({"marker_channel": 1, "activity_channel": 0}, False),
        ({"marker_channel": 7}, True),
    ],
)
def test_channels_that_it_does_not_have_are_told(chosen: dict[str, int], is_told: bool) -> None:
    notes = SimulatedSource.from_recording("simulated", SourceSettings(**chosen)).notes
    assert any("not used" in note for note in notes) == is_told


def test_closing_ends_an_iteration_from_another_thread() -> None:
    opened = SimulatedSource.from_recording(
        "simulated:geometry=small,volumes=100000,motion=still", SourceSettings()
    )
    started = threading.Event()
    seen: list[int] = []

    def read() -> None:
        for volume in opened:
            seen.append(volume.index)
            started.set()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        assert started.wait(60)
    finally:
        opened.close()
        opened.close()
        thread.join(60)
    assert not thread.is_alive()
    assert len(seen) < 100_000


def simulated(options: str) -> SimulatedSource:
    return SimulatedSource.from_recording(f"simulated:geometry=small,{options}", SourceSettings())


def test_a_preset_is_what_its_options_are() -> None:
    dim, half = simulated("seed=2,preset=dim"), simulated("seed=2,light=0.5")
    assert np.array_equal(dim.read(0).marker, half.read(0).marker)
    overridden = simulated("seed=2,preset=dim,light=1")
    assert np.array_equal(overridden.read(0).marker, simulated("seed=2").read(0).marker)


def test_the_sheared_preset_moves_three_times_as_fast_on_the_same_path() -> None:
    usual, sheared = simulated("seed=4"), simulated("seed=4,preset=sheared")
    step = [
        np.median(np.abs(np.diff(source.truth(0).slice_offset_um, axis=0)), axis=0)
        for source in (usual, sheared)
    ]
    assert step[1] == pytest.approx(3 * step[0], rel=0.5)
    assert sheared.truth(1).slice_offset_um[0] == pytest.approx(
        usual.truth(3).slice_offset_um[0], abs=1e-6
    )


def test_absent_neurons_leave_a_gap_and_replaced_ones_do_not() -> None:
    counts = {
        options: np.array([len(worm.shape.names), sum(map(bool, worm.shape.names))])
        for options in ("volumes=1", "absent=0.2", "preset=absent", "fillers=0.4")
        for worm in [simulated(f"seed=1,{options}").worm]
    }
    assert np.array_equal(counts["absent=0.2"], counts["preset=absent"])
    n_all, n_named = counts["volumes=1"]
    assert counts["absent=0.2"] == pytest.approx([0.8 * n_all, 0.8 * n_named], rel=0.08)
    assert counts["fillers=0.4"] == pytest.approx([n_all, 0.6 * n_named], rel=0.08)


def test_every_volume_of_missing_slices_lacks_some() -> None:
    source = simulated("seed=1,volumes=4,preset=missing-slices")
    assert all(1 <= len(source.read(index).missing_z) <= 3 for index in range(4))


def test_a_strange_rig_is_another_for_another_seed_and_keeps_the_geometry() -> None:
    rigs = [simulated(f"seed={seed},preset=strange").worm.settings for seed in (1, 1, 2)]
    assert rigs[0].optics == rigs[1].optics != rigs[2].optics
    assert rigs[0].grid == rigs[2].grid == simulated("seed=1").worm.settings.grid


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("preset=hard", "one of usual, dim, fast"),
        ("absent=1.5", "from 0 to 0.9"),
        ("absent=0.6,fillers=0.6", "leave no animal: together they are 1.2"),
        ("rig=mine", "one of usual, random"),
    ],
)
def test_impossible_animals_and_rigs_are_refused(options: str, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        simulated(options)
