"""What all training settings share: they are frozen, and errors name the entry."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_acll.core import SettingsError


class FrozenSettings(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def read_settings_file(path: Path) -> Mapping[str, Any]:
    """Return the entries of a YAML file.

    Raises
    ------
    SettingsError
        If the file is missing or no YAML mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"Expected a YAML file with training settings, {path} cannot be read ({error});"
            " give the path of such a file, as recipes/train_default.yaml is."
        ) from error
    except yaml.YAMLError as error:
        raise SettingsError(
            f"{path} is no YAML ({str(error).splitlines()[0]}); correct the file."
        ) from error
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise SettingsError(
            f"Expected settings and their values in {path}, it holds a {type(values).__name__};"
            " correct the file."
        )
    return values


def wrong_setting(path: Path, error: ValidationError) -> SettingsError:
    """Return the error that names the first wrong entry of a file."""
    first = error.errors()[0]
    # what a union of kinds adds to the place is no entry of the file
    parts = [str(part) for part in first["loc"] if part not in ("lab", "simulated")]
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    return SettingsError(
        f"Setting {'.'.join(parts) or '(top)'} in {path}: {message}; correct the file."
    )
