"""The model of the last session, kept for the next one."""

from napari_acll.core import Labeler, LabelSettings


class KeptModel:
    """Loads models, and gives the last one again where the same is asked for.

    A second session then starts without loading, and its model is warm already. Sessions that
    share a kept model must follow one another: a model is used by one thread at a time.
    """

    def __init__(self) -> None:
        self._key: tuple[LabelSettings, int] | None = None
        self._labeler: Labeler | None = None

    def labeler(self, settings: LabelSettings) -> Labeler:
        """Return the model of a setting.

        Parameters
        ----------
        settings : LabelSettings
            A changed setting, or a model file that was changed, is another model.

        Raises
        ------
        ModelError
            If there is no such model, or it cannot be used.
        """
        from napari_acll.label import load_labeler, model_stamp_ns

        key = settings, model_stamp_ns(settings)
        if self._labeler is None or key != self._key:
            self._key = self._labeler = None  # two models at once may not fit into memory
            self._labeler = load_labeler(settings)
            self._key = key
        return self._labeler
