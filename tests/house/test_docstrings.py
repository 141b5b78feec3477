"""Everything public says what it is."""

import ast
import builtins
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

import napari_acll
from napari_acll import core
from napari_acll.core import AcllSettings

PACKAGES = sorted(
    info.name for info in pkgutil.iter_modules(napari_acll.__path__) if info.name[0] != "_"
)


def _public_members(owner: type):
    for name, member in vars(owner).items():
        if name.startswith("_") or isinstance(member, type):
            continue
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if inspect.isfunction(function) and function.__module__.startswith("napari_acll"):
            yield name, function


@pytest.mark.parametrize("package", PACKAGES)
def test_everything_public_is_documented(package):
    module = importlib.import_module(f"napari_acll.{package}")
    assert module.__doc__
    missing = []
    for name in module.__all__:
        thing = getattr(module, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        if not thing.__doc__:
            missing.append(name)
        if inspect.isclass(thing):
            missing += [
                f"{name}.{key}" for key, f in _public_members(thing) if not inspect.getdoc(f)
            ]
    assert not missing


def _models(model: type[BaseModel]):
    yield model
    for field in model.model_fields.values():
        if inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel):
            yield from _models(field.annotation)


@pytest.mark.parametrize("model", list(_models(AcllSettings)), ids=lambda model: model.__name__)
def test_every_setting_is_described(model):
    for name, field in model.model_fields.items():
        is_group = inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel)
        text = field.description or (is_group and field.annotation.__doc__)
        assert text, f"{model.__name__}.{name} has no description"


SOURCES = Path(napari_acll.__file__).parent
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def _public_functions(owner: ast.AST) -> Iterator[FUNCTION]:
    for node in ast.iter_child_nodes(owner):
        if isinstance(node, FUNCTION | ast.ClassDef) and node.name[0] != "_":
            if isinstance(node, FUNCTION):
                yield node
            else:
                yield from _public_functions(node)


def _raised(node: ast.AST) -> Iterator[str]:
    """What a function raises itself and lets go, each as the name of what makes it."""
    for child in ast.iter_child_nodes(node):
        is_own = not isinstance(child, FUNCTION | ast.Lambda | ast.ClassDef)
        is_tried = isinstance(node, ast.Try) and node.handlers and child in node.body
        if isinstance(child, ast.Raise) and child.exc is not None and not is_tried:
            made = child.exc.func if isinstance(child.exc, ast.Call) else child.exc
            yield ast.unparse(made)
        if is_own and not is_tried:
            yield from _raised(child)


def _listed(docstring: str) -> set[str]:
    _, _, section = docstring.partition("Raises\n------\n")
    lines = section.splitlines()
    return {name.strip() for line in lines if line[:1].strip() for name in line.split(",")}


def _errors(name: str) -> set[str]:
    """The names under which an error may be listed: its own, and those of its bases."""
    error = getattr(core, name, None) or getattr(builtins, name, None)
    return {base.__name__ for base in error.__mro__} if isinstance(error, type) else set()


def unlisted_errors(text: str) -> list[str]:
    """Errors that public functions of a module raise themselves and do not list."""
    found = []
    for function in _public_functions(ast.parse(text)):
        listed = _listed(ast.get_docstring(function) or "")
        for name in _raised(function):
            is_told = bool(listed & _errors(name)) if _errors(name) else bool(listed)
            if not is_told:
                found.append(f"{function.name} ({function.lineno}): {name}")
    return found


# the docstrings of commands are what --help says
@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "cli"])
def test_what_a_public_function_raises_is_listed(package):
    found = {
        str(path.relative_to(SOURCES)): unlisted_errors(path.read_text(encoding="utf-8"))
        for path in (SOURCES / package).rglob("*.py")
    }
    is_contract = package == "testing"  # whose tests fail by AssertionError
    missing = {
        name: [one for one in errors if not (is_contract and one.startswith("test_"))]
        for name, errors in found.items()
    }
    assert not {name: errors for name, errors in missing.items() if errors}


def test_an_error_that_is_not_listed_is_found():
    head = 'def f(x):\n    """Return.\n\n    Raises\n    ------\n    {}\n        If.\n    """\n'
    body = "    if x:\n        raise RecordingError(x)\n"
    assert unlisted_errors(head.format("ValueError") + body) == ["f (1): RecordingError"]
    assert unlisted_errors("def f(x):\n    raise made(x)\n") == ["f (1): made"]
    assert unlisted_errors(head.format("RecordingError") + body) == []
    assert unlisted_errors(head.format("AcllError") + body) == []
    caught = "    try:\n        raise ValueError\n    except ValueError:\n        return 1\n"
    assert unlisted_errors("def f(x):\n" + caught) == []
    assert unlisted_errors("class _Own:\n    def f(x):\n        raise ValueError\n") == []
