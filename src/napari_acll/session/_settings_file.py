"""Settings in YAML files."""

import difflib
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from napari_acll.core import AcllSettings, AnimalInfo, SettingsError, user_data_dir

_PROFILE_NAME = re.compile(r"[\w-][\w .-]*")


def profile_names() -> list[str]:
    """Return the names of the profiles: those shipped with the program, and the user's own."""
    folder = files("napari_acll") / "profiles"
    shipped = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    own = own_profiles_dir()
    names = [*shipped, *(path.name for path in own.iterdir())] if own.is_dir() else shipped
    return sorted({Path(name).stem for name in names if _is_yaml(name)})


def own_profiles_dir() -> Path:
    """Return the folder of this user's profiles: `profiles` in the data folder of this package."""
    return user_data_dir() / "profiles"


def save_profile(settings: AcllSettings, name: str) -> Path:
    """Keep the settings of a rig under a name that `load_settings` and `--profile` take.

    What was noted about the animal does not belong to the rig and is left out.

    Parameters
    ----------
    settings : AcllSettings
        The settings.
    name : str
        Letters, digits, spaces, `.`, `_` and `-`; a profile of this name is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    SettingsError
        If the name cannot be used, or the file cannot be written.
    """
    if not _PROFILE_NAME.fullmatch(name):
        raise SettingsError(
            f"A profile cannot be called {name!r}; use letters, digits, spaces, '.', '_' or '-'."
        )
    path = own_profiles_dir() / f"{name}.yaml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The folder of profiles {path.parent} cannot be made ({error.strerror or error});"
            " give another one by ACLL_DATA_DIR."
        ) from error
    save_settings(settings.model_copy(update={"animal": AnimalInfo()}), path)
    return path


def load_settings(path_or_profile: str | Path) -> AcllSettings:
    """Return the settings of a YAML file, or of a profile shipped with the program.

    Parameters
    ----------
    path_or_profile : str or Path
        Path of a file, or the name of a profile. What is not given has its default.

    Raises
    ------
    SettingsError
        If there is no such file, it is not YAML, a key is unknown or a value is not allowed.
    """
    text, origin = _read(str(path_or_profile))
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = str(error).replace("\n", " ")
        raise SettingsError(f"{origin} is not valid YAML ({place}); correct that line.") from error
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise SettingsError(
            f"{origin} must hold settings as `key: value`, it holds a {type(content).__name__}."
        )
    _check_keys(content, origin)
    try:
        return AcllSettings.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f"{origin}: {_sentence(error)}") from error


def save_settings(settings: AcllSettings, path: str | Path) -> None:
    """Write settings as a YAML file that `load_settings` reads.

    Parameters
    ----------
    settings : AcllSettings
        The settings; all are written, except a drop policy that was never chosen.
    path : str or Path
        The file; replaced if it exists.

    Raises
    ------
    SettingsError
        If it cannot be written.
    """
    content = settings.model_dump(mode="json")
    if "drop_policy" not in settings.run.model_fields_set:
        del content["run"]["drop_policy"]  # left open: it follows from the source
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    try:
        Path(path).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SettingsError(
            f"The settings cannot be written to {path} ({error.strerror or error}); choose"
            " another place."
        ) from error


def _read(path_or_profile: str) -> tuple[str, str]:
    path = Path(path_or_profile)
    if path_or_profile in profile_names() and not path.is_file():
        own = own_profiles_dir() / f"{path_or_profile}.yaml"
        if own.is_file():
            return own.read_text(encoding="utf-8"), f"Profile {path_or_profile!r}"
        profile = files("napari_acll") / "profiles" / f"{path_or_profile}.yaml"
        return profile.read_text(encoding="utf-8"), f"Profile {path_or_profile!r}"
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except (OSError, UnicodeDecodeError) as error:
        profiles = ", ".join(profile_names()) or "none"
        raise SettingsError(
            f"There are no settings to be read in {path}; give a YAML file or one of the profiles"
            f" ({profiles})."
        ) from error


def _is_yaml(name: str) -> bool:
    return name.endswith(".yaml")


def _check_keys(content: Mapping[object, object], origin: str) -> None:
    for unknown, allowed in _unknown_keys(content, AcllSettings, ""):
        key, section = unknown.rpartition(".")[2], unknown.rpartition(".")[0]
        where = f"in `{section}`" if section else "at the top level"
        nearest = difflib.get_close_matches(key, allowed, n=1, cutoff=0.5)
        hint = f"did you mean `{nearest[0]}`?" if nearest else f"allowed are {', '.join(allowed)}."
        raise SettingsError(f"{origin} has an unknown key `{key}` {where}; {hint}")


def _unknown_keys(
    content: Mapping[object, object], model: type[BaseModel], path: str
) -> Iterator[tuple[str, list[str]]]:
    for key, value in content.items():
        field = model.model_fields.get(str(key))
        if field is None:
            yield f"{path}{key}", list(model.model_fields)
            continue
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, dict):
            yield from _unknown_keys(value, kind, f"{path}{key}.")


def _sentence(error: ValidationError) -> str:
    first, *others = error.errors(include_url=False)
    key = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ").rstrip(".")
    more = f" ({len(others)} more after that)" if others else ""
    given = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
    return f"`{key}`: {reason}{given}; correct it{more}."
