"""The forecasts of a session as lines of a table."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from napari_acll.export._table_file import table_lines

FORECAST_COLUMNS = (
    "at_index",
    "neuron",
    "verdict",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "coverage",
    "coverage_low",
    "coverage_high",
    "noise",
    "noise_low",
    "noise_high",
    "level",
    "fitted_on",
)


def forecast_lines(forecasts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield forecasts as lines of the table; what is not known is empty."""
    for forecast in forecasts:
        columns = forecast["neurons"]
        first, last = str(forecast["at_index"]), (str(forecast["level"]), forecast["fitted_on"])
        cells = zip(*(columns[name] for name in FORECAST_COLUMNS[1:-2]), strict=True)
        yield from table_lines([first, *map(_text, row), *last] for row in cells)


def _text(value: object) -> str:
    return "" if value is None else str(value)
