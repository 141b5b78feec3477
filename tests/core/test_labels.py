import numpy as np
import pytest

from napari_acll.core import Detections, LabeledVolume, NeuronTable, VolumeSpec, VoxelGrid

SPEC = VolumeSpec(grid=VoxelGrid.as_stored((1, 2, 3), (1.0, 1.0, 1.0)), period_s=0.6)


def labeled(neuron: list[int]) -> LabeledVolume:
    n = len(neuron)
    detections = Detections(
        centroid_px=np.zeros((n, 3), np.float32),
        n_voxels=np.ones(n, np.int32),
        neuron=np.array(neuron, np.int32),
        probability=np.ones(n, np.float32),
        candidate_neuron=np.full((n, 5), -1, np.int32),
        candidate_probability=np.full((n, 5), np.nan, np.float32),
    )
    instances = np.array([[[0, 1, 2], [2, 3, 0]]], np.uint16)
    return LabeledVolume(index=0, spec=SPEC, instances=instances, detections=detections)


def test_labels_are_class_numbers_and_unnamed_instances_are_background():
    np.testing.assert_array_equal(labeled([7, 0, 3]).labels(10), [[[0, 7, 0], [0, 3, 0]]])


@pytest.mark.parametrize(("n_neurons", "dtype"), [(255, np.uint8), (256, np.uint16)])
def test_labels_take_the_smallest_type_that_holds_all_neurons(n_neurons, dtype):
    assert labeled([255, 0, 1]).labels(n_neurons).dtype == dtype


def test_nothing_detected_is_an_empty_table():
    assert len(Detections.none()) == 0


def test_a_name_is_in_doubt_where_the_other_side_may_well_be_right():
    neurons = NeuronTable(("AVAL", "AVAR", "RIBL", "OLLR"))
    found = labeled([1, 2, 3]).detections
    found.candidate_neuron[:, :2] = [[1, 2], [2, 1], [3, 4]]
    found.candidate_probability[:, :2] = [[0.7, 0.2], [0.9, 0.05], [0.6, 0.4]]
    assert found.side_doubt(neurons).tolist() == [True, False, False, False]
    assert not Detections.none().side_doubt(neurons).any()
