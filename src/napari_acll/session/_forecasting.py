"""Tells, while a session runs, which neurons will be worth something."""

from collections.abc import Iterator

from napari_acll.quality import (
    FIRST_AT,
    Forecast,
    ForecastModel,
    TraceQuality,
    why_hardly_labeled,
)
from napari_acll.session._outbox import Event

UPDATE_VOLUMES = 30
"""Labeled volumes after which it is made anew: 18 s at the usual pace."""
_OTHER_ANIMAL = "Consider another animal"


class Forecasting:
    """Makes a forecast of the measures every 30 labeled volumes, and tells the first and the last.

    That the animal looks bad, or can hardly be labeled, is told once. Used by one thread; `newest`
    may be read by any.

    Parameters
    ----------
    quality : TraceQuality
        What is measured.
    identity_filter : str
        Name of the identity filter of the session: how far names can be trusted depends on it.
    """

    def __init__(self, quality: TraceQuality, identity_filter: str) -> None:
        self.newest: Forecast | None = None
        self._quality = quality
        self._identity_filter = identity_filter
        self._model = ForecastModel.load(identity_filter)
        self._due_at = FIRST_AT
        self._is_bad = False

    def look(self, index: int) -> Iterator[Event]:
        """Make a forecast if one is due, and yield what is to be told.

        Parameters
        ----------
        index : int
            The volume that was measured last.
        """
        animal = self._quality.animal()
        if not self._is_bad and (why := why_hardly_labeled(animal)):
            self._is_bad = True
            yield Event("bad animal", f"{why} {_OTHER_ANIMAL}.", {"index": index})
        n_labeled = animal.n_labeled
        if n_labeled < self._due_at:
            return
        is_first = self._due_at == FIRST_AT
        self._due_at = n_labeled + UPDATE_VOLUMES
        if self._model is None:
            if is_first:
                yield Event("forecast", self._why_none())
            return
        self.newest = self._model.forecast(self._quality)
        if self.newest is None:
            return
        if is_first:
            yield _event(self.newest)
        if self.newest.animal.is_bad and not self._is_bad:
            self._is_bad = True
            yield _bad_animal(self.newest)

    def last(self) -> Event | None:
        """Return the forecast of everything that was seen, None if there was never any."""
        if self._model is None or self.newest is None:
            return None
        self.newest = self._model.forecast(self._quality) or self.newest
        return _event(self.newest)

    def _why_none(self) -> str:
        return (
            "There is no forecast of which neurons will be good: none was fitted for the identity"
            f" filter {self._identity_filter!r}. Judge by what is measured."
        )


def _event(forecast: Forecast) -> Event:
    return Event("forecast", forecast.sentence(), forecast.to_json())


def _bad_animal(forecast: Forecast) -> Event:
    message = f"{forecast.animal.why} {_OTHER_ANIMAL} (forecast, {forecast.fitted_on})."
    return Event("bad animal", message, {"index": forecast.at_index})
