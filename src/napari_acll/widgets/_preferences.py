"""What a user has chosen in napari's settings, under the name of this plugin."""

from dataclasses import dataclass
from pathlib import Path

from napari_acll.core import AcllSettings

_PLUGIN, _GROUP = "napari-acll", "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Defaults of the dock; the page in napari's settings is made from `napari.yaml`.

    Parameters
    ----------
    model, device : str
        What a new form shows for `label.model` and `label.device`.
    profile : str
        The profile that a new form shows; empty: none.
    folder : str
        Where session folders are made; empty: beside the recording.
    n_calibration_volumes : int
        What a new form shows for `alignment.n_volumes`.
    shows_names : bool
        Whether names are written on the canvas.
    min_confidence : float
        Names less probable are not written.
    opens_traces : bool
        Whether the traces open when a session starts.
    """

    model: str = "default"
    device: str = "auto"
    profile: str = ""
    folder: str = ""
    n_calibration_volumes: int = 5
    shows_names: bool = True
    min_confidence: float = 0.5
    opens_traces: bool = True

    @classmethod
    def load(cls) -> "Preferences":
        """Return what napari's settings say; the defaults where this plugin has no page there."""
        from napari.settings import get_plugin_settings

        try:
            page = getattr(get_plugin_settings(_PLUGIN), _GROUP)
        except KeyError:  # the plugin is disabled, or not installed
            return cls()
        names = cls.__dataclass_fields__
        return cls(**{name: getattr(page, name) for name in names})

    def applied_to(self, settings: AcllSettings) -> AcllSettings:
        """Return settings with the preferred model, device and calibration.

        Parameters
        ----------
        settings : AcllSettings
            All settings, such as those of the preferred profile.
        """
        label = settings.label.model_dump(exclude_unset=True)
        alignment = settings.alignment.model_dump(exclude_unset=True)
        own = {"model": self.model, "device": self.device}
        values = settings.model_dump(exclude_unset=True)
        values["label"] = own | label  # a profile knows its rig better
        values["alignment"] = {"n_volumes": self.n_calibration_volumes} | alignment
        return AcllSettings.model_validate(values)

    @property
    def session_folder(self) -> Path | None:
        """Where session folders are made, None for beside the recording."""
        return Path(self.folder).expanduser() if self.folder else None
