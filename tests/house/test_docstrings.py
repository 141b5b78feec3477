"""Everything public says what it is."""

import importlib
import inspect
import pkgutil

import pytest
from pydantic import BaseModel

import napari_acll
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
