"""Where the values and masks of a refined session come from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    Labeler,
    RandomAccessSource,
    RecordingError,
    SessionError,
)
from napari_acll.session._build import trace_estimator_of
from napari_acll.session._refined_values import RecordedValues
from napari_acll.session._resume import check_model, label_settings_of
from napari_acll.session._saved import open_recording

if TYPE_CHECKING:
    from napari_acll.export import SavedSession


@dataclass(frozen=True, kw_only=True, eq=False)
class Masks:
    """What values can be taken with.

    Parameters
    ----------
    how : str
        Where values come from, one sentence.
    source : RandomAccessSource, optional
        The recording; None: the saved values are used.
    alignment : ChannelAlignment, optional
        Of the session.
    labeler : Labeler, optional
        The model, if it is to make the masks.
    has_labels : bool
        Whether there are label maps to be saved.
    """

    how: str
    source: RandomAccessSource | None = None
    alignment: ChannelAlignment | None = None
    labeler: Labeler | None = None
    has_labels: bool

    @classmethod
    def of(
        cls,
        saved: "SavedSession",
        *,
        uses_recording: bool,
        relabels: bool,
        adjust: Callable[[AcllSettings], AcllSettings] | None,
    ) -> "Masks":
        """Return what there is for a session.

        Parameters
        ----------
        saved : SavedSession
            The session.
        uses_recording, relabels, adjust
            As `refine_session`.

        Raises
        ------
        AcllError
            If the masks are to be made once more, and recording or model are not there.
        """
        labeler = _labeler(saved, adjust) if relabels else None
        alignment, why_not = saved.alignment, ""
        if not uses_recording and not relabels:
            why_not = "the recording was not to be used"
        elif alignment is None:
            why_not = "the session has no alignment"
        elif not saved.has_labels and not relabels:
            why_not = "label maps were not saved (--relabel makes them once more)"
        if why_not:
            return cls(how=_saved_values(why_not), has_labels=saved.has_labels)
        try:
            source = open_recording(saved)
        except (RecordingError, SessionError) as error:
            if relabels:
                raise
            return cls(how=_saved_values(str(error)), has_labels=saved.has_labels)
        masks = "the masks of its model, made once more" if relabels else "its saved label maps"
        return cls(
            how=f"Values were taken from the recording once more, by {masks}.",
            source=source,
            alignment=alignment,
            labeler=labeler,
            has_labels=True,
        )

    def values(self, saved: "SavedSession") -> RecordedValues | None:
        """Return what takes values from the recording; None if the saved ones are used."""
        from napari_acll.preprocess import Preprocessor

        if self.source is None or self.alignment is None:
            return None
        settings = saved.settings
        return RecordedValues(
            source=self.source,
            preprocessor=Preprocessor(self.source.spec, settings.preprocess),
            estimator=trace_estimator_of(saved.neurons, settings),
            alignment=self.alignment,
            labeler=self.labeler,
        )

    def close(self) -> None:
        """Close the recording."""
        if self.source is not None:
            self.source.close()


def _saved_values(why_not: str) -> str:
    return f"The saved values stand under the names that their nuclei have now: {why_not}."


def _labeler(
    saved: "SavedSession", adjust: Callable[[AcllSettings], AcllSettings] | None
) -> Labeler:
    from napari_acll.label import load_labeler

    settings = saved.settings.model_copy(update={"label": label_settings_of(saved)})
    settings = settings if adjust is None else adjust(settings)
    labeler = load_labeler(settings.label)
    check_model(labeler, saved)
    return labeler
