"""Draw the pictures of `docs/explanations/virtual-worm.md`.

Run by hand::

    python recipes/draw_virtual_worm.py
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import NDArray

from napari_acll.simulate import Anatomy, HeadSettings, VirtualWorm, WormSettings

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
RIGS = (0, 2, 4, 6, 9, 11, 15, 16, 18)


def show(axes: Axes, counts: NDArray, title: str) -> None:
    """Show the maximum over the slices, the brightest voxels cut off."""
    projection = counts.max(axis=0)
    low, high = np.quantile(projection, [0.02, 0.998])
    axes.imshow(projection, cmap="gray", vmin=low, vmax=high)
    axes.set_title(title, fontsize=9, loc="left")
    axes.axis("off")


def draw_recording() -> None:
    """Draw two volumes of one recording."""
    worm = VirtualWorm.sample(1)
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.2), layout="constrained")
    for row, index in zip(axes, (0, 60), strict=True):
        volume = worm.render(index)
        show(row[0], volume.marker, f"marker, {volume.timestamp_s:.0f} s")
        show(row[1], volume.activity, f"activity, {volume.timestamp_s:.0f} s")
    figure.savefig(IMAGES / "virtual-worm.png", dpi=90)


def draw_rigs() -> None:
    """Draw animals on random rigs, as training sees them."""
    figure, axes = plt.subplots(3, 3, figsize=(9, 4.6), layout="constrained")
    anatomy = Anatomy.load()
    for place, seed in zip(axes.flat, RIGS, strict=True):
        rng = np.random.default_rng(seed)
        settings = WormSettings.sample(rng)
        shape = anatomy.sample(rng, head=HeadSettings.sample(rng))
        n_named = sum(map(bool, shape.names))
        volume = VirtualWorm(shape, settings, seed=seed).render(0)
        show(place, volume.marker, f"{n_named} neurons of {len(shape)} nuclei")
    figure.savefig(IMAGES / "virtual-rigs.png", dpi=90)


def main() -> None:
    """Draw both."""
    mpl.use("Agg")
    draw_recording()
    draw_rigs()


if __name__ == "__main__":
    main()
