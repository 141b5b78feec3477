"""Settings from everything that a user can say: options over files over a profile."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_acll.cli._options import SETTING_OF_OPTION, setting_field
from napari_acll.core import AcllSettings, SettingsError

Tree = dict[str, Any]


def resolve_settings(options: Mapping[str, Any]) -> AcllSettings:
    """Return the settings that the options of a command ask for.

    What is given on the command line wins over `--config` files (a later one over an earlier
    one), these win over the `--profile`, and that over the defaults.

    Parameters
    ----------
    options : mapping
        Parameters of the command by name; None where one was not given.

    Raises
    ------
    SettingsError
        If a file, a name or a value is not valid.
    """
    tree: Tree = {}
    if options.get("profile"):
        _merge(tree, _given(options["profile"]))
    for path in options.get("config") or ():
        _merge(tree, _config(Path(path)))
    for parameter, setting in SETTING_OF_OPTION.items():
        if options.get(parameter) not in (None, []):  # [] is a list that was not given
            _merge(tree, _branch(setting, options[parameter]))
    for text in options.get("set_") or ():
        _merge(tree, _assignment(text))
    return _validated(tree)


def _config(path: Path) -> Tree:
    """Return what a file says; the configuration of a network says where the network's is."""
    return _branch("label.config_file", str(path)) if _is_of_network(path) else _given(path)


def _is_of_network(path: Path) -> bool:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False  # whoever reads the settings says what is wrong
    return isinstance(content, dict) and isinstance(content.get("model"), dict)


def _given(path: Path | str) -> Tree:
    from napari_acll.session import load_settings

    return load_settings(path).model_dump(exclude_unset=True)


def _assignment(text: str) -> Tree:
    import yaml

    setting, equals, value = text.partition("=")
    try:
        setting_field(setting.strip())
    except KeyError as error:
        raise SettingsError(
            f"{setting.strip()!r} of --set {text} is no setting; `acll settings` lists all."
        ) from error
    if not equals:
        raise SettingsError(f"--set takes NAME=VALUE, got {text!r}.")
    try:
        return _branch(setting.strip(), yaml.safe_load(value))
    except yaml.YAMLError as error:
        raise SettingsError(f"The value of --set {text} is not valid YAML; correct it.") from error


def _branch(setting: str, value: object) -> Tree:
    *groups, name = setting.split(".")
    tree: Tree = {name: value}
    for group in reversed(groups):
        tree = {group: tree}
    return tree


def _merge(tree: Tree, other: Tree) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = value


def _validated(tree: Tree) -> AcllSettings:
    try:
        return AcllSettings.model_validate(tree)
    except ValidationError as error:
        raise SettingsError(f"The settings are not valid: {_reasons(error)}") from error


def _reasons(error: ValidationError) -> str:
    return "; ".join(_reason(detail) for detail in error.errors()) + "."


def _reason(detail: Any) -> str:
    where = ".".join(str(part) for part in detail["loc"])
    what = str(detail["msg"]).removeprefix("Value error, ").rstrip(".")
    if detail["type"] == "string_pattern_mismatch":  # a pattern tells a user nothing
        what = f"expected {str(setting_field(where).description).rstrip('.')}"
    options = _options_for(where)
    return f"{where}{options}: {what}, got {detail['input']!r}" if where else what


def _options_for(setting: str) -> str:
    names: Sequence[str] = [key for key, value in SETTING_OF_OPTION.items() if value == setting]
    return f" (--{names[0].replace('_', '-')})" if names else ""
