"""`acll settings`: a settings file with everything in it."""

import inspect
import json
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from napari_acll.cli._options import Config, Profile, Set
from napari_acll.cli._resolve import resolve_settings


def settings(
    config: Config = None,
    profile: Profile = None,
    set_: Set = None,
    bare: Annotated[bool, typer.Option("--bare", help="Leave the explanations out.")] = False,
) -> None:
    """Print all settings as YAML, explained; save it, change it, give it as --config."""
    chosen = resolve_settings({"config": config, "profile": profile, "set_": set_})
    for line in _lines(chosen, "", explained=not bare):
        typer.echo(line)


def _lines(model: BaseModel, indent: str, *, explained: bool) -> Iterator[str]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        about = field.description or inspect.getdoc(type(value)) or ""
        if explained:
            yield f"{indent}# {' '.join(about.split())}"
        if isinstance(value, BaseModel):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ", explained=explained)
        else:
            yield f"{indent}{name}: {_as_yaml(value)}"


def _as_yaml(value: Any) -> str:
    return json.dumps(value.value if isinstance(value, Enum) else value)
