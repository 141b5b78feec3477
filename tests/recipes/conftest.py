"""The recipes are scripts that import one another: their folder is put on the path."""

import sys
from pathlib import Path

RECIPES = Path(__file__).parents[2] / "recipes"

if str(RECIPES) not in sys.path:
    sys.path.insert(0, str(RECIPES))
