"""What the tests of the virtual worm share."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from napari_acll.simulate import Anatomy


@pytest.fixture(scope="session")
def anatomy() -> Anatomy:
    return Anatomy.load()


@pytest.fixture
def real_heads() -> dict[tuple[str, str], list[tuple[str, np.ndarray]]]:
    """Rows `(name, (z, y, x) um)` of every real animal, by lab and animal."""
    folder = os.environ.get("ACLL_TEST_DATA")
    if not folder:
        pytest.skip("needs real data: set ACLL_TEST_DATA")
    heads: dict[tuple[str, str], list[tuple[str, np.ndarray]]] = {}
    path = Path(folder) / "positions" / "neuron_positions_84_animals.csv"
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            place = np.array([float(row[f"{axis}_um"]) for axis in "zyx"])
            heads.setdefault((row["lab"], row["animal"]), []).append((row["ID"], place))
    return heads
