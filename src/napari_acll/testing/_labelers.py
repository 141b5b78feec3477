"""What every labeler must do, as tests."""

import json
from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np

from napari_acll.core import N_CANDIDATES, LabeledVolume, Labeler, Volume


class LabelerContract(ABC):
    """Tests that every labeler passes; subclass it and say how yours is made.

    Examples
    --------
    >>> class TestMyLabeler(LabelerContract):
    ...     def make_labeler(self):
    ...         return MyLabeler()
    ...
    ...     def make_volume(self, index):
    ...         return my_volume(index)
    """

    @abstractmethod
    def make_labeler(self) -> Labeler:
        """Return a new labeler; the same one each time."""

    @abstractmethod
    def make_volume(self, index: int) -> Volume:
        """Return a volume in which the labeler names at least one neuron.

        Different indices give different volumes of one shape, the same index gives the same.
        """

    def test_it_fits_the_protocol(self) -> None:
        """A session only uses the methods of the protocol."""
        _require(isinstance(self.make_labeler(), Labeler), "not a Labeler")

    def test_it_describes_itself_in_json_values(self) -> None:
        """The description is saved with the session."""
        described = dict(self.make_labeler().describe())
        _require(json.loads(json.dumps(described)) == described, "not made of JSON values")
        missing = {"name", "kind", "device"} - set(described)
        _require(not missing, f"lacks {missing}")

    def test_every_volume_gets_one_answer_with_its_index_and_geometry(self) -> None:
        """Answers come in the order of the volumes."""
        volumes = [self.make_volume(index) for index in (3, 1, 7)]
        answers = self.make_labeler().label(volumes)
        _require([a.index for a in answers] == [3, 1, 7], "not in the order of the volumes")
        for volume, answer in zip(volumes, answers, strict=True):
            _require(answer.spec == volume.spec, "another spec")
            _require(answer.instances.shape == volume.marker.shape, "another shape")

    def test_no_volumes_give_no_answers(self) -> None:
        """An empty batch is not an error."""
        _require(self.make_labeler().label([]) == [], "something came from nothing")

    def test_warming_up_changes_no_label(self) -> None:
        """Warming up is about time only."""
        volume = self.make_volume(0)
        warm = self.make_labeler()
        warm.warm_up(volume.spec, 2)
        _require_same(warm.label([volume])[0], self.make_labeler().label([volume])[0])

    def test_it_names_something(self) -> None:
        """Otherwise the other tests would say nothing."""
        answer = self.make_labeler().label([self.make_volume(0)])[0]
        _require(answer.is_labelable, f"called unlabelable: {answer.why_not}")
        _require(bool((answer.detections.neuron > 0).any()), "no neuron was named")

    def test_the_same_volume_gets_the_same_labels(self) -> None:
        """Replaying a recording gives the same result, whatever was labeled in between."""
        labeler = self.make_labeler()
        first = labeler.label([self.make_volume(0)])[0]
        labeler.label([self.make_volume(1)])
        _require_same(first, labeler.label([self.make_volume(0)])[0])

    def test_labels_do_not_depend_on_order_or_batch(self) -> None:
        """What waits in the queue together is chance."""
        volumes = [self.make_volume(index) for index in range(3)]
        labeler = self.make_labeler()
        together = labeler.label(volumes)
        backward = self.make_labeler().label(volumes[::-1])[::-1]
        alone = [labeler.label([volume])[0] for volume in volumes]
        for a, b, c in zip(together, backward, alone, strict=True):
            _require_same(a, b)
            _require_same(a, c)

    def test_the_volume_is_not_changed(self) -> None:
        """Traces are taken from it afterwards."""
        volume = self.make_volume(0)
        marker, activity = volume.marker.copy(), volume.activity.copy()
        self.make_labeler().label([volume])
        _require(bool((volume.marker == marker).all()), "the marker channel was changed")
        _require(bool((volume.activity == activity).all()), "the activity channel was changed")

    def test_detections_are_well_formed(self) -> None:
        """Dtypes, shapes and ranges are those of `Detections`."""
        labeler = self.make_labeler()
        found = labeler.label([self.make_volume(0)])[0].detections
        n = len(found)
        for array, dtype, shape in (
            (found.centroid_px, np.float32, (n, 3)),
            (found.n_voxels, np.int32, (n,)),
            (found.neuron, np.int32, (n,)),
            (found.probability, np.float32, (n,)),
            (found.candidate_neuron, np.int32, (n, N_CANDIDATES)),
            (found.candidate_probability, np.float32, (n, N_CANDIDATES)),
        ):
            _require(array.dtype == dtype and array.shape == shape, f"{array.dtype} {array.shape}")
        _require(bool(((found.neuron >= 0) & (found.neuron <= len(labeler.neurons))).all()), "")
        _require(bool(((found.probability >= 0) & (found.probability <= 1)).all()), "not in 0-1")
        _require(bool((found.probability[found.neuron == 0] == 0).all()), "sure of no name")

    def test_a_name_stands_at_most_once(self) -> None:
        """A neuron is in one place."""
        neuron = self.make_labeler().label([self.make_volume(0)])[0].detections.neuron
        named = neuron[neuron > 0]
        _require(len(set(named.tolist())) == len(named), "a name stands twice")

    def test_instances_match_the_detections(self) -> None:
        """Voxel counts and centroids are those of the instances."""
        answer = self.make_labeler().label([self.make_volume(0)])[0]
        found = answer.detections
        _require(answer.instances.dtype == np.uint16, f"instances are {answer.instances.dtype}")
        _require(int(answer.instances.max()) <= len(found), "an instance without detection")
        counts = np.bincount(answer.instances.ravel(), minlength=len(found) + 1)[1:]
        _require(bool((counts == found.n_voxels).all()), "other voxel counts")
        _require(bool((counts > 0).all()), "a detection without voxels")
        for row, centroid_px in enumerate(found.centroid_px):
            inside = np.argwhere(answer.instances == row + 1)
            near = bool(
                np.all((centroid_px >= inside.min(0) - 0.5) & (centroid_px <= inside.max(0) + 0.5))
            )
            _require(near, f"centroid of detection {row} lies outside its voxels")

    def test_candidates_are_sorted_and_differ(self) -> None:
        """The most probable name comes first; -1 and NaN fill up."""
        labeler = self.make_labeler()
        found = labeler.label([self.make_volume(0)])[0].detections
        filler = found.candidate_neuron == -1
        _require(bool((filler == np.isnan(found.candidate_probability)).all()), "filler differs")
        for names, probabilities in zip(
            found.candidate_neuron, found.candidate_probability, strict=True
        ):
            given = names != -1
            _require(len(set(names[given].tolist())) == given.sum(), "a candidate stands twice")
            _require(bool((np.diff(given.astype(int)) <= 0).all()), "a filler before a candidate")
            _require(bool((np.diff(probabilities[given]) <= 0).all()), "candidates are not sorted")
            _require(bool((names[given] <= len(labeler.neurons)).all()), "an unknown class")
            _require(float(probabilities[given].sum()) <= 1 + 1e-4, "candidates sum above 1")

    def test_an_empty_volume_has_no_names_and_says_why(self) -> None:
        """A dark frame must not end a session."""
        volume = self.make_volume(0)
        empty = replace(volume, marker=np.zeros_like(volume.marker), marker_background=0.0)
        answer = self.make_labeler().label([empty])[0]
        _require(not answer.is_labelable, "an empty volume was called labelable")
        _require(answer.why_not != "", "no reason was given")
        _require(not (answer.detections.neuron > 0).any(), "a neuron was named in nothing")
        _require(answer.instances.shape == volume.marker.shape, "another shape")


def _require(holds: bool, otherwise: str) -> None:
    # Not `assert`: python -O would strip the suite of its tests.
    if not holds:
        raise AssertionError(otherwise)


def _require_same(a: LabeledVolume, b: LabeledVolume) -> None:
    np.testing.assert_array_equal(a.instances, b.instances)
    _require(a.is_labelable == b.is_labelable, "labelable once only")
    for field in a.detections.__dataclass_fields__:
        np.testing.assert_array_equal(
            getattr(a.detections, field), getattr(b.detections, field), err_msg=field
        )
