"""A second renderer, which shares no code and no optics with `napari_acll.simulate`.

A model that was trained on one renderer may have learned its habits. This one was written from
what is published of the microscope and its volumes, with general tools only, and nothing is
trained or tuned on it. Look at it by hand::

    python recipes/other_renderer.py --data $ACLL_TEST_DATA --out FOLDER

Nuclei are ellipsoids with a soft edge, some with a dark nucleolus, drawn on a finer grid; the blur
has a core that widens with depth and a power-law tail; the body, the pharynx and granules glow;
pixels of the camera differ in noise and offset; the animal moves by a random walk from slice to
slice.

References
----------
Zhang, Zerubia, Olivo-Marin, Gaussian approximations of fluorescence microscope point-spread
function models, Applied Optics 2007 (the core). Moffat, A theoretical investigation of focal
stellar images, 1969 (the tail). Huang et al., Video-rate nanoscopy using sCMOS camera-specific
single-molecule localization algorithms, Nature Methods 2013 (noise that differs by pixel).
"""

import argparse
import logging
import time
from pathlib import Path

import numpy as np
from benchmark_animals import FLAVORS, LISTED, Completer, Head, animals_of, validation_keys
from numpy.typing import NDArray
from other_worm import (
    LARGE_FIELD,
    SMALL_FIELD,
    Floats,
    Image,
    Nuclei,
    Posture,
    Rig,
    draw_light,
    draw_posture,
    draw_radii,
    place_nuclei,
)
from scipy import ndimage
from scipy.fft import irfftn, next_fast_len, rfftn
from skimage.draw import polygon

from napari_acll.core import ChannelAlignment, Volume, VolumeSpec, VoxelGrid
from napari_acll.simulate import Truth
from napari_acll.training import RenderedVolume

logger = logging.getLogger("other_renderer")

_PERIOD_S = 0.6


def render(head: Head, rig: Rig, rng: np.random.Generator) -> RenderedVolume:
    """Return one volume of an animal, with its truth and masks."""
    posture = draw_posture(head, rig, rng)
    center_um = place_nuclei(head.position_um, posture, rig)
    radius = draw_radii(center_um, rng) * rig.nucleus_size
    light = draw_light(head, rig, rng)
    nuclei = Nuclei.draw(center_um, radius, rng)
    tissue = rig.tissue * render_tissue(head, posture, rig, rng)
    marker = expose(nuclei, light, tissue, posture, rig, rng)
    ratio = np.exp(rng.normal(0.0, 0.5, len(head)))
    dark = np.zeros(rig.shape, np.uint16)
    glow = 0.7 * light * ratio
    activity = expose(nuclei, glow, tissue, posture, rig, rng) if rig.has_activity else dark
    seen_um = center_um + _shift_at(center_um[:, 0], posture, rig)
    truth = _truth(head, seen_um, radius, light, ratio, posture, rig)
    masks = nuclei.masks(seen_um, rig)
    return RenderedVolume(volume=_volume(marker, activity, rig), truth=truth, masks=masks)


def expose(
    nuclei: Nuclei,
    light: Floats,
    tissue: Image,
    posture: Posture,
    rig: Rig,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Return what the camera makes of the nuclei and the tissue."""
    fine = nuclei.image(light, rig)
    sharp = _binned(_shifted(blur(fine, rig), posture, rig, rig.oversampling), rig.oversampling)
    coarse = _binned(fine, rig.oversampling)
    rest = _shifted(0.9 * tail(coarse, rig) + tissue, posture, rig, 1)
    depth = np.linspace(0, 1, rig.shape[0], dtype=np.float32)[:, None, None]
    seen = (0.62 * sharp + rest) * np.exp(-0.35 * depth) * _vignette(rig, rng)
    seen *= np.float32(rig.light)
    seen[rng.permutation(rig.shape[0])[: rig.n_missing_slices]] = 0
    return _camera(seen, rng)


def blur(image: Image, rig: Rig) -> Image:
    """Return the image through the core of the blur, which widens with depth."""
    pixel = rig.voxel_um / rig.oversampling
    near, far = (
        ndimage.gaussian_filter(image, rig.blur * np.array([z / rig.voxel_um, xy, xy]), truncate=3)
        for z, xy in ((0.65, 0.20 / pixel), (1.15, 0.34 / pixel))
    )
    depth = np.linspace(0, 1, image.shape[0], dtype=np.float32)[:, None, None]
    blurred: Image = near + depth * (far - near)
    return blurred


def tail(image: Image, rig: Rig) -> Image:
    """Return the light that goes astray: a power-law tail, longer along the optical axis."""
    reach = (16, 20, 20)
    grid = np.meshgrid(*(np.arange(-n, n + 1) * rig.voxel_um for n in reach), indexing="ij")
    square = (grid[0] / 2.6) ** 2 + (grid[1] / 1.3) ** 2 + (grid[2] / 1.3) ** 2
    kernel = (1 + square) ** -1.7
    kernel *= 0.38 / kernel.sum()
    size = [next_fast_len(n + 2 * r) for n, r in zip(image.shape, reach, strict=True)]
    spectrum = rfftn(image, size) * rfftn(kernel.astype(np.float32), size)
    full = irfftn(spectrum, size)
    crop = tuple(slice(r, r + n) for n, r in zip(image.shape, reach, strict=True))
    return np.maximum(full[crop], 0).astype(np.float32)


def render_tissue(head: Head, posture: Posture, rig: Rig, rng: np.random.Generator) -> Image:
    """Return what glows beside the nuclei: body, pharynx and granules, blurred."""
    body = _body(head, posture, rig) * rng.uniform(4, 20)
    scale_px = rng.uniform(3, 9)  # from that of a nucleus to that of tissue
    texture = ndimage.gaussian_filter(rng.standard_normal(rig.shape).astype(np.float32), scale_px)
    body *= 1 + rng.uniform(0.05, 0.3) * texture / texture.std()
    for middle, length, width, amount in ((-20, 14, 6, 6), (22, 9, 9, 14), (0, 40, 3.5, 6)):
        body += rng.uniform(0.3, 1.3) * amount * _blob(middle, length, width, posture, rig)
    glow = ndimage.gaussian_filter(body, (2.0, 1.0, 1.0))
    return np.maximum(glow + _granules(posture, rig, rng), 0).astype(np.float32)


def _body(head: Head, posture: Posture, rig: Rig) -> Image:
    """Return 1 inside of the body: an outline in every slice, narrower away from the middle."""
    image = np.zeros(rig.shape, np.float32)
    x = np.arange(head.position_um[:, 2].min() - 9, 150, 2.0)
    width = 17.0 * np.tanh(0.35 + (x - x[0]) / 22.0)
    for index in range(rig.shape[0]):
        height = (index + 0.5) * rig.voxel_um - posture.center_um[0]
        half = width * np.sqrt(max(1 - (height / 15.0) ** 2, 0.0))
        if not half.any():
            continue
        edge = np.c_[np.zeros(2 * len(x)), np.r_[half, -half[::-1]], np.r_[x, x[::-1]]]
        placed = posture.place(edge)[:, 1:] / rig.voxel_um
        image[index][polygon(placed[:, 0], placed[:, 1], rig.shape[1:])] = 1
    return image


def _blob(middle: float, length: float, width: float, posture: Posture, rig: Rig) -> Image:
    """Return a soft spindle around the midline."""
    image = np.zeros(rig.shape, np.float32)
    along = np.arange(middle - length, middle + length, 0.5)
    points = posture.place(np.c_[np.zeros((len(along), 2)), along])
    pixel = np.floor(points / rig.voxel_um).astype(int)
    inside = ((pixel >= 0) & (pixel < rig.shape)).all(1)
    image[tuple(pixel[inside].T)] = 1
    sigma = width / 2 / rig.voxel_um
    image = ndimage.gaussian_filter(image, sigma, truncate=2.5)
    return image / max(float(image.max()), 1e-6)


def _granules(posture: Posture, rig: Rig, rng: np.random.Generator) -> Image:
    """Return small bright dots, most of them in the gut."""
    image = np.zeros(rig.shape, np.float32)
    n = int(rng.integers(10, 70))
    x = np.where(rng.random(n) < 0.7, rng.uniform(50, 130, n), rng.uniform(-50, 60, n))
    where = posture.place(np.c_[rng.normal(0, 4, n), rng.normal(0, 6, n), x])
    pixel = np.floor(where / rig.voxel_um).astype(int)
    inside = ((pixel >= 0) & (pixel < rig.shape)).all(1)
    light = 160 * rng.lognormal(0, 0.8, n)
    np.add.at(image, tuple(pixel[inside].T), light[inside].astype(np.float32))
    return 4 * ndimage.gaussian_filter(image, (1.3, 0.7, 0.7))


def _camera(seen: Image, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return counts: shot noise, read noise that differs by pixel, offset, gain."""
    plane = seen.shape[1:]
    gain = rng.uniform(1.6, 3.0)
    background = rng.uniform(18, 40)
    photons = rng.poisson((seen + background) / gain).astype(np.float32)
    read = rng.uniform(6, 10) * rng.gamma(8.0, 1 / 8.0, plane).astype(np.float32)
    offset = 100 + rng.normal(0, 1.0, plane).astype(np.float32)
    noise = rng.standard_normal(seen.shape, dtype=np.float32) * read
    counts = np.rint(gain * photons + offset + noise)
    return np.clip(counts, 0, 65535).astype(np.uint16)


def _vignette(rig: Rig, rng: np.random.Generator) -> Image:
    _, n_y, n_x = rig.shape
    y, x = np.meshgrid(np.linspace(-1, 1, n_y), np.linspace(-1, 1, n_x), indexing="ij")
    dy, dx = rng.normal(0, 0.2, 2)
    return (1 - 0.1 * ((y - dy) ** 2 + (x - dx) ** 2)).astype(np.float32)


def _shift_at(z_um: Floats, posture: Posture, rig: Rig) -> Floats:
    """Return the shift of the slice through each height, as `(0, y, x)` in um."""
    height = (np.arange(rig.shape[0]) + 0.5) * rig.voxel_um
    y, x = (np.interp(z_um, height, column) for column in posture.shift_um.T)
    return np.c_[np.zeros(len(z_um)), y, x]


def _shifted(image: Image, posture: Posture, rig: Rig, fine: int) -> Image:
    """Return every slice where the animal was when it was taken."""
    shift_px = posture.shift_um * fine / rig.voxel_um
    moved = [
        ndimage.shift(slice_, shift, order=1, mode="nearest")
        for slice_, shift in zip(image, shift_px, strict=True)
    ]
    return np.stack(moved)


def _binned(image: Image, fine: int) -> Image:
    n_z, n_y, n_x = image.shape
    binned: Image = image.reshape(n_z, n_y // fine, fine, n_x // fine, fine).mean((2, 4))
    return binned


def _truth(
    head: Head,
    seen_um: Floats,
    radius: Floats,
    light: Floats,
    ratio: Floats,
    posture: Posture,
    rig: Rig,
) -> Truth:
    centroid_px = seen_um / rig.voxel_um - 0.5
    return Truth(
        index=0,
        time_s=0.0,
        names=head.names,
        is_listed=head.kind == LISTED,
        centroid_px=centroid_px,
        centroid_time_s=_PERIOD_S * np.clip(centroid_px[:, 0] / rig.shape[0], 0, 1),
        radius_um=radius,
        marker=light,
        activity=0.7 * light * ratio,
        ratio=ratio,
        alignment=ChannelAlignment(),
        slice_offset_um=posture.shift_um,
    )


def _volume(marker: NDArray[np.uint16], activity: NDArray[np.uint16], rig: Rig) -> Volume:
    grid = VoxelGrid.as_stored(rig.shape, (rig.voxel_um,) * 3)
    return Volume(
        index=0,
        timestamp_s=0.0,
        marker=marker,
        activity=activity,
        spec=VolumeSpec(grid=grid, period_s=_PERIOD_S),
        slice_times_s=np.linspace(0, _PERIOD_S, rig.shape[0], endpoint=False),
    )


def main() -> None:
    """Write pictures of a few animals and tell the figures of their volumes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    animals = animals_of(arguments.data)
    completer = Completer.from_data(arguments.data)
    for number, key in enumerate(validation_keys(list(animals))[:4]):
        rng = np.random.default_rng([arguments.seed, number])
        head = completer.complete(animals[key], FLAVORS[number % 2], rng)
        start_s = time.perf_counter()
        shape = (SMALL_FIELD, LARGE_FIELD)[number // 2]
        rendered = render(head, Rig(shape=shape), rng)
        marker = rendered.volume.marker
        logger.info(
            "%s: %.1f s, median %.0f, min %d, SD %.1f, max %d",
            head.key,
            time.perf_counter() - start_s,
            *(np.median(marker), marker.min(), marker.std(), marker.max()),
        )
        picture = np.minimum(marker.max(0).astype(float), np.percentile(marker.max(0), 99.7))
        name = f"{head.key.replace('/', '_')}.png"
        plt.imsave(arguments.out / name, picture, cmap="gray")


if __name__ == "__main__":
    main()
