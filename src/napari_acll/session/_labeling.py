"""Labels volumes, and outlives a volume on which the model fails."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from napari_acll.core import (
    CorrectableFilter,
    Corrections,
    Detections,
    IdentityFilter,
    LabeledVolume,
    Labeler,
    PluginError,
    Volume,
    VolumeSpec,
)
from napari_acll.session._tolerance import Tolerance


class Labeling:
    """The model and the identity filter, of which a failure costs one volume.

    A volume on which either fails becomes unlabelable, with the error as the reason. A batch that
    fails is labeled volume by volume, so that it costs no more.

    Parameters
    ----------
    labeler : Labeler
        The model.
    identity_filter : IdentityFilter, optional
        Makes identities consistent over time.
    corrections : Corrections
        Say which names a person vouches for.
    tolerance : Tolerance
        Says when failures are too many.
    """

    def __init__(
        self,
        labeler: Labeler,
        identity_filter: IdentityFilter | None,
        corrections: Corrections,
        tolerance: Tolerance,
    ) -> None:
        self._labeler = labeler
        self._identity_filter = identity_filter
        self._corrections = corrections
        self._tolerance = tolerance

    def label(self, volumes: Sequence[Volume]) -> list[LabeledVolume]:
        """Return one labeled volume for each volume, in their order.

        Raises
        ------
        PluginError
            If the labeler breaks its contract.
        Exception
            What the model raised, if it failed on too many volumes in a row.
        """
        return [self._identified(labeled) for labeled in self._labeled(volumes)]

    def _labeled(self, volumes: Sequence[Volume]) -> list[LabeledVolume]:
        try:
            labeled = self._labeler.label(volumes)
        except Exception as error:  # noqa: BLE001  whatever it is, it must not cost a recording
            if len(volumes) > 1 and not self._tolerance.is_used_up:
                return [labeled for volume in volumes for labeled in self._labeled([volume])]
            return [self._failed(volume.index, volume.spec, error) for volume in volumes]
        if len(labeled) != len(volumes):
            raise PluginError(
                f"The labeler returned {len(labeled)} labeled volumes for {len(volumes)};"
                " it must return one for each. Report this to whoever wrote it."
            )
        if self._identity_filter is None:
            self._tolerance.succeeded()
        return labeled

    def _identified(self, labeled: LabeledVolume) -> LabeledVolume:
        if self._identity_filter is None:
            return labeled
        try:
            if isinstance(self._identity_filter, CorrectableFilter):
                self._identity_filter.hold(self._vouched_at(labeled.index))
            identified = self._identity_filter.update(labeled)
        except Exception as error:  # noqa: BLE001  as above
            return self._failed(labeled.index, labeled.spec, error)
        if identified.is_labelable:
            self._tolerance.succeeded()
        return replace(identified, said=labeled.detections)

    def relive(self, volumes: Iterable[LabeledVolume]) -> None:
        """Let the identity filter see again what the model said before an interruption.

        Parameters
        ----------
        volumes : iterable of LabeledVolume
            In the order in which they were labeled.
        """
        for labeled in volumes:
            self._identified(labeled)

    def _vouched_at(self, index: int) -> frozenset[int]:
        corrections = self._corrections
        names = corrections.state_at(index).vouched
        return frozenset(corrections.neurons.class_number(name) for name in names)

    def _failed(self, index: int, spec: VolumeSpec, error: Exception) -> LabeledVolume:
        what = self._tolerance.forgive(error, f"Labeling volume {index}")
        return LabeledVolume(
            index=index,
            spec=spec,
            instances=np.zeros(spec.shape, np.uint16),
            detections=Detections.none(),
            is_labelable=False,
            why_not=f"the model failed on it ({what}).",
        )
