"""Stages found by name through entry points, ours and other packages' alike."""

from importlib.metadata import entry_points
from typing import Literal

from napari_acll.core._errors import PluginError

StageGroup = Literal[
    "sources",
    "labelers",
    "identity_filters",
    "trace_estimators",
    "publishers",
    "mark_channels",
]


def stage_names(group: StageGroup) -> list[str]:
    """Return the names of all installed stages of one kind, sorted."""
    return sorted({entry.name for entry in entry_points(group=f"napari_acll.{group}")})


def load_stage(group: StageGroup, name: str) -> object:
    """Return the class or factory that an installed package registered under a name.

    Parameters
    ----------
    group : str
        Kind of stage; the entry-point group is `napari_acll.<group>`.
    name : str
        Name of the entry point.

    Raises
    ------
    PluginError
        If no installed package offers it, two offer it, or it cannot be imported.
    """
    found = list(entry_points(group=f"napari_acll.{group}", name=name))
    if not found:
        raise PluginError(
            f"No installed package offers {name!r} as one of the {group}; there are"
            f" {', '.join(stage_names(group)) or 'none'}. Install the package that offers it."
        )
    if len({entry.value for entry in found}) > 1:
        origins = ", ".join(entry.value for entry in found)
        raise PluginError(f"{name!r} of the {group} is offered by {origins}; uninstall one.")
    try:
        return found[0].load()
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"{found[0].value}, registered as {name!r} of the {group}, cannot be imported: {error}"
        ) from error
