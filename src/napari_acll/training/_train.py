"""Training of every kind of model, as a settings file asks for it."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from napari_acll.core import SettingsError
from napari_acll.training._progress import ProgressCallback
from napari_acll.training._settings import TrainSettings, load_train_settings

if TYPE_CHECKING:
    from napari_acll.training._unet3d_settings import UNet3DTrainSettings


def train(
    config_path: Path,
    out: Path,
    *,
    start: str | None = None,
    is_resumed: bool = False,
    device: str | None = None,
    on_progress: ProgressCallback | None = None,
) -> Path:
    """Train the model of a settings file and return the file that was written.

    Parameters
    ----------
    config_path : Path
        YAML file with `TrainSettings` (a point model) or `UNet3DTrainSettings` (`kind: unet3d`).
    out : Path
        Weights file to write; what else belongs to the model is put beside it.
    start : str, optional
        Model to start from: `default`, the bundled one, or the path of a weights file; None:
        random weights.
    is_resumed : bool
        Go on where a training of the same settings was stopped, instead of starting again.
    device : str, optional
        `auto`, `cpu` or `cuda:N`, instead of that of the settings.
    on_progress : callable, optional
        Called after every step.

    Raises
    ------
    SettingsError
        If the settings file is missing or wrong, or does not fit what is asked for.
    ModelError
        If there is no such device or start, or the state of a training cannot be resumed.
    RecordingError
        If labeled volumes of a lab are missing, damaged, or do not fit together.
    """
    settings = load_train_settings(config_path)
    if device is not None:
        settings = _on_device(settings, device)
    if isinstance(settings, TrainSettings):
        return _train_points(
            settings, out, start=start, is_resumed=is_resumed, on_progress=on_progress
        )
    return _train_unet3d(
        settings, out, start=start, is_resumed=is_resumed, on_progress=on_progress
    )


def _on_device(
    settings: "TrainSettings | UNet3DTrainSettings", device: str
) -> "TrainSettings | UNet3DTrainSettings":
    try:
        return type(settings).model_validate(settings.model_dump() | {"device": device})
    except ValidationError as error:
        raise SettingsError(f"Device {device!r} is none; give auto, cpu or cuda:N.") from error


def _train_points(
    settings: TrainSettings,
    out: Path,
    *,
    start: str | None,
    is_resumed: bool,
    on_progress: ProgressCallback | None,
) -> Path:
    if (start is None) != (settings.data is None):
        raise SettingsError(
            "A point model goes on learning where both a model to start from (--from default) and"
            f" labeled volumes (`data` in the settings) are given; {_given(start)} is."
        )
    if start is not None:
        from napari_acll.training._fine_tune import fine_tune

        return fine_tune(
            settings, out, start=start, is_resumed=is_resumed, on_progress=on_progress
        )
    from napari_acll.training._train_default import train_default

    return train_default(settings, out, is_resumed=is_resumed, on_progress=on_progress)


def _given(start: str | None) -> str:
    return "only `data`" if start is None else "only --from"


def _train_unet3d(
    settings: "UNet3DTrainSettings",
    out: Path,
    *,
    start: str | None,
    is_resumed: bool,
    on_progress: ProgressCallback | None,
) -> Path:
    if start == "default":
        raise SettingsError(
            "The bundled model is a point model, the settings are of a UNet3D; give --from the"
            " checkpoint of a UNet3D, or settings without `kind: unet3d`."
        )
    from napari_acll.training._unet3d_training import train_unet3d

    return train_unet3d(
        settings,
        out,
        start=None if start is None else Path(start),
        is_resumed=is_resumed,
        on_progress=on_progress,
    )
