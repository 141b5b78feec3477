"""Faults as they are asked for."""

import pytest

from napari_acll.core import RecordingError
from napari_acll.rig import FaultKind, FaultPlan


def test_faults_of_one_volume_add_up():
    plan = FaultPlan(["drop-frame@2:1", "drop-frame@2:3", "stall@2:0.5"], n_z=4)
    assert plan.of(2).dropped_z == (1, 3)
    assert plan.of(2).stall_s == 0.5
    assert plan.names(2) == "drop-frame drop-frame stall"
    assert plan.of(1).lacking_z == ()


def test_the_middle_slice_is_meant_where_none_is_given():
    assert FaultPlan(["corrupt@0"], n_z=9).of(0).corrupt_z == (4,)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("burn@3", "is no fault"),
        ("stall", "is no fault"),
        ("stall@-1", "is no fault"),
        ("drop-frame@3:4", "names no slice"),
        ("drop-frame@3:1.5", "names no slice"),
        ("late@3", "not possible here"),
    ],
)
def test_what_cannot_be_is_told(fault, message):
    with pytest.raises(RecordingError, match=message):
        FaultPlan([fault], n_z=4, possible=frozenset(set(FaultKind) - {FaultKind.LATE}))
