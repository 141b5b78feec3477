"""Write the pages of the reference that are made from the code: settings and commands.

Run after a change of either: `python docs/make_reference.py`. A test compares.
"""

import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer.main
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from napari_acll.cli._app import app
from napari_acll.core import AcllSettings

REFERENCE = Path(__file__).parent / "reference"
SIGNS = {Ge: ("ge", "at least"), Gt: ("gt", "above"), Le: ("le", "at most"), Lt: ("lt", "below")}


def settings_page() -> str:
    """Return the page of all settings."""
    lines = [
        "# Settings",
        "",
        "Made from the models in `napari_acll.core`. `acll settings` prints the same as a YAML",
        "file to start from; `--set GROUP.NAME=VALUE` gives any of them on the command line.",
        "",
    ]
    for name, field in AcllSettings.model_fields.items():
        lines += _group(name, field.annotation)
    return "\n".join(lines).rstrip() + "\n"


def _group(path: str, model: Any) -> Iterator[str]:
    yield from (f"## {path}", "", inspect.getdoc(model) or "", "")
    yield from ("| setting | default | what it is |", "|---|---|---|")
    nested = []
    for name, inner in model.model_fields.items():
        if _is_model(inner.annotation):
            nested.append((f"{path}.{name}", inner.annotation))
            continue
        about = " ".join((inner.description or "").split()).replace("|", "\\|")
        yield f"| `{name}` | `{_shown(inner.get_default())}` | {about}{_bounds(inner)} |"
    yield ""
    for group in nested:
        yield from _group(*group)


def _is_model(annotation: Any) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, BaseModel)


def _shown(default: object) -> str:
    value = default.value if isinstance(default, Enum) else default
    return '""' if value == "" else str(value)


def _bounds(field: FieldInfo) -> str:
    parts = [
        f"{word} {getattr(limit, attribute):g}"
        for limit in field.metadata
        for kind, (attribute, word) in SIGNS.items()
        if isinstance(limit, kind)
    ]
    return f" ({', '.join(parts)})" if parts else ""


def cli_page() -> str:
    """Return the page of all commands."""
    group: Any = typer.main.get_command(app)
    lines = ["# Commands", "", "Made from the program; `acll COMMAND --help` prints the same.", ""]
    lines += [inspect.cleandoc(group.help or "").partition("\n\n")[2], ""]
    for name, command in group.commands.items():
        lines += _command(name, command)
    return "\n".join(lines).rstrip() + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(["acll", name, *(p.name.upper().strip("_") for p in arguments)])
    yield from (f"## acll {name}", "", f"`{usage} [OPTIONS]`", "")
    yield from (" ".join(paragraph.split()) + "\n" for paragraph in command.help.split("\n\n"))
    yield from ("| | |", "|---|---|")
    for parameter in command.params:
        is_argument = parameter.param_type_name == "argument"
        names = parameter.name.upper() if is_argument else ", ".join(parameter.opts)
        about = " ".join((parameter.help or "").split()).replace("|", "\\|")
        default = "" if parameter.default in (None, False, "") else str(parameter.default)
        needed = " Required." if parameter.required and not is_argument else ""
        shown = f" [default: {default}]" if default and not is_argument else ""
        yield f"| `{names}` | {about}{needed}{shown} |"
    yield ""


def pages() -> dict[str, str]:
    """Return the text of each page that is made here, by file name."""
    return {"settings.md": settings_page(), "cli.md": cli_page()}


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
