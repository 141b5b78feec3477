"""How well a model knows what it does not know: calibration, warnings, flags.

python recipes/measure_confidence.py --n 60 --n-odd 8 [--model FILE]
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_acll.core import NOVELTY_LIMIT, LabelSettings, VoxelGrid
from napari_acll.label import PointLabeler, find_model_file
from napari_acll.simulate import Anatomy, MotionSettings, OpticsSettings, WormSettings
from napari_acll.training import score_detections
from napari_acll.training._calibration import calibration_error
from napari_acll.training._volumes import RenderedVolume, render_random, render_shape

Labeled = tuple[RenderedVolume, Any]


def usual(anatomy: Anatomy, rng: np.random.Generator, **settings: Any) -> RenderedVolume:
    """Return a volume of a new animal."""
    shape = anatomy.sample(rng)
    worm = WormSettings(n_volumes=1, **settings)
    return render_shape(shape, worm, seed=int(rng.integers(2**31)))


def with_marker(rendered: RenderedVolume, marker: np.ndarray) -> RenderedVolume:
    """Return the same volume with other counts."""
    marker = np.clip(np.rint(marker), 0, 65535).astype(np.uint16)
    return replace(rendered, volume=replace(rendered.volume, marker=marker))


def with_voxel(rendered: RenderedVolume, factor: float) -> RenderedVolume:
    """Return the same volume, said to have another voxel size."""
    spec = rendered.volume.spec
    size = tuple(factor * part for part in spec.voxel_size_um)
    grid = VoxelGrid.as_stored(spec.shape, size)  # type: ignore[arg-type]
    return replace(rendered, volume=replace(rendered.volume, spec=spec.with_grid(grid)))


def odd(anatomy: Anatomy, rng: np.random.Generator) -> Iterator[tuple[str, RenderedVolume]]:
    """Yield one volume of each odd kind."""
    optics = OpticsSettings()
    for light in (0.5, 0.25, 0.12, 0.06):
        dim = replace(optics, marker_counts=optics.marker_counts * light)
        yield f"{light:g} of the light", usual(anatomy, rng, optics=dim)
    yield "fast motion", usual(anatomy, rng, motion=MotionSettings.fast())
    one = usual(anatomy, rng)
    marker = one.volume.marker.astype(np.float64)
    dark = float(np.median(marker))
    yield "voxel size 1.5 times too large", with_voxel(one, 1.5)
    yield "voxel size 1.5 times too small", with_voxel(one, 1 / 1.5)
    yield "mirrored", with_marker(one, marker[:, ::-1])
    for blur_px in (1.0, 2.0, 3.0, 4.0):
        noise = rng.normal(0, optics.read_noise_counts, marker.shape)
        blurred = gaussian_filter(marker, blur_px) + noise
        yield f"blurred by {0.54 * blur_px:.1f} um", with_marker(one, blurred)
    place = one.truth.centroid_px[:, 2]
    for share in (0.75, 0.5, 0.25):
        cut = int(np.clip(np.quantile(place, share), 1, marker.shape[2] - 1))
        gone = marker.copy()
        gone[:, :, cut:] = rng.normal(dark, 12, gone[:, :, cut:].shape)
        yield f"{share:.0%} of the head in the field", with_marker(one, gone)
    yield "saturated", with_marker(one, np.minimum(marker, dark + 30))
    shape = anatomy.sample(rng)
    way = rng.normal(size=(len(shape), 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    cloud = way * rng.random((len(shape), 1)) ** (1 / 3) * [12.0, 14.0, 45.0]
    scattered = replace(shape, position_um=cloud)
    yield (
        "nuclei at random places",
        render_shape(scattered, WormSettings(n_volumes=1), seed=int(rng.integers(2**31))),
    )


class Table:
    """What the labeler said, kind by kind."""

    def __init__(self, labeler: PointLabeler) -> None:
        self._labeler = labeler
        self._rows: dict[str, list[tuple[float, bool, np.ndarray, np.ndarray]]] = {}

    def add(self, kind: str, rendered: RenderedVolume) -> None:
        """Label a volume and keep what is counted."""
        labeled = self._labeler.label([rendered.volume])[0]
        score = score_detections(labeled.detections, rendered, self._labeler.neurons)
        given, right = np.asarray(score.probability), np.asarray(score.is_right, bool)
        row = (labeled.novelty, not labeled.is_labelable, given, right)
        self._rows.setdefault(kind, []).append(row)

    def lines(self) -> Iterator[str]:
        """Yield the table in Markdown."""
        yield "| volumes | warned of | flagged | novelty | names right | they said | ECE |"
        yield "|---|---|---|---|---|---|---|"
        for kind, rows in self._rows.items():
            novelty = np.array([row[0] for row in rows])
            flagged = np.mean([row[1] for row in rows])
            given = np.concatenate([row[2] for row in rows])
            right = np.concatenate([row[3] for row in rows]).astype(bool)
            names = "- | - | -"
            if len(given):
                error = calibration_error(given, right)
                names = f"{right.mean():.0%} | {given.mean():.0%} | {error:.1%}"
            yield (
                f"| {len(rows)} {kind} | {np.mean(novelty >= NOVELTY_LIMIT):.0%} | {flagged:.0%}"
                f" | {np.median(novelty):.2f} | {names} |"
            )
            named = [row for row in rows if len(row[2])]
            if len(named) >= 30:
                said = [row[2].mean() for row in named]
                was = [row[3].mean() for row in named]
                yield (
                    f"correlation over animals, mean probability and right names, {kind}:"
                    f" {np.corrcoef(said, was)[0, 1]:.2f}"
                )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--n", type=int, default=60)
    parser.add_argument("--n-odd", type=int, default=8)
    parser.add_argument("--seed", type=int, default=2027)
    given = parser.parse_args()
    anatomy, rng = Anatomy.load(), np.random.default_rng(given.seed)
    settings = LabelSettings(model=str(find_model_file(given.model)), device="cpu")
    table = Table(PointLabeler.from_settings(settings))
    for _ in range(given.n):
        table.add("usual", usual(anatomy, rng))
        table.add("of random rigs", render_random(anatomy, rng))
    for _ in range(given.n_odd):
        for kind, rendered in odd(anatomy, rng):
            table.add(kind, rendered)
    print("\n".join(table.lines()))  # noqa: T201


if __name__ == "__main__":
    main()
