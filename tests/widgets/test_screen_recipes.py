"""The recipes that measure the screen run, and the screen is never in the way."""

from importlib import import_module

import numpy as np
import pytest
from tests.recipes.conftest import RECIPES


@pytest.fixture
def recipe(monkeypatch, qapp):
    """Return a recipe by its name, with small volumes that come fast."""
    del qapp

    def load(name):
        assert (RECIPES / f"{name}.py").is_file()
        module = import_module(name)
        monkeypatch.setattr(module, "SHAPE", (16, 60, 60))
        monkeypatch.setattr(module, "PERIOD_S", 0.05)
        return module

    return load


@pytest.mark.parametrize("options", [[], ["--projections", "--all-docks"]])
def test_an_update_of_the_screen_is_measured(recipe, options):
    few = ["--updates", "3", "--volumes", "40", "--neurons", "12", "--traces", "4"]
    update_ms, all_ms = recipe("measure_screen").main([*few, *options])
    assert len(update_ms) == 3
    assert np.all(np.array(all_ms) >= update_ms)
    assert min(update_ms) > 0


def test_a_frozen_viewer_costs_no_volume_and_no_memory(recipe):
    figures = recipe("freeze_screen").main(["--freeze", "1.5"])
    assert figures["traced"] > 10
    assert figures["in memory"] <= 4  # the newest, one at each stage
    assert (figures["skipped"], figures["lost"]) == (0, 0)
