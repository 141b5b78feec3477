"""What every identity filter must do, as tests."""

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np

from napari_acll.core import Detections, IdentityFilter, LabeledVolume


class IdentityFilterContract(ABC):
    """Tests that every identity filter passes; subclass it and say how yours is made.

    Examples
    --------
    >>> class TestMyFilter(IdentityFilterContract):
    ...     def make_filter(self):
    ...         return MyFilter()
    ...
    ...     def make_labeled(self, index):
    ...         return my_labeled_volume(index)
    """

    @abstractmethod
    def make_filter(self) -> IdentityFilter:
        """Return a new filter that has seen nothing."""

    @abstractmethod
    def make_labeled(self, index: int) -> LabeledVolume:
        """Return the labels of one volume of a recording; the same index gives the same."""

    def test_it_fits_the_protocol(self) -> None:
        """A session only uses the methods of the protocol."""
        _require(isinstance(self.make_filter(), IdentityFilter), "not an IdentityFilter")

    def test_only_names_and_probabilities_change(self) -> None:
        """What was found where is the labeler's matter."""
        for before, after in self._run(6):
            _require(after.index == before.index and after.spec == before.spec, "another volume")
            _require(after.instances is before.instances, "other instances")
            for name in ("centroid_px", "n_voxels"):
                same = getattr(after.detections, name) is getattr(before.detections, name)
                _require(same, f"another {name}")

    def test_detections_are_well_formed(self) -> None:
        """A name stands once, probabilities are probabilities, no name has none."""
        for before, after in self._run(6):
            found = after.detections
            named = found.neuron[found.neuron > 0]
            _require(len(found) == len(before.detections), "another number of nuclei")
            _require(found.neuron.dtype == np.int32, f"names are {found.neuron.dtype}")
            _require(len(np.unique(named)) == len(named), "a name stands twice")
            _require(bool(((found.probability >= 0) & (found.probability <= 1)).all()), "not 0-1")
            _require(bool((found.probability[found.neuron == 0] == 0).all()), "sure of no name")

    def test_what_was_given_is_not_changed(self) -> None:
        """The labeler's own answer may be kept by others."""
        volume = self.make_labeled(0)
        before = {
            name: getattr(volume.detections, name).copy()
            for name in Detections.__dataclass_fields__
        }
        self.make_filter().update(volume)
        for name, values in before.items():
            same = np.array_equal(getattr(volume.detections, name), values, equal_nan=True)
            _require(same, f"{name} was changed")

    def test_a_replay_gives_the_same_names(self) -> None:
        """Only what came before counts, and no chance."""
        for (_, one), (_, two) in zip(self._run(6), self._run(6), strict=True):
            same = np.array_equal(one.detections.neuron, two.detections.neuron)
            _require(same, "other names in a second run")

    def test_volumes_without_names_are_handed_on(self) -> None:
        """A volume that cannot be labeled stays one."""
        identity, volume = self.make_filter(), self.make_labeled(0)
        unfit = replace(volume, detections=Detections.none(), is_labelable=False, why_not="dark")
        after = identity.update(unfit)
        _require(not after.is_labelable and after.why_not == "dark", "it was called labelable")
        _require(len(after.detections) == 0, "nuclei came from nothing")

    def _run(self, n: int) -> list[tuple[LabeledVolume, LabeledVolume]]:
        identity = self.make_filter()
        return [(v, identity.update(v)) for v in map(self.make_labeled, range(n))]


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise AssertionError(complaint)
