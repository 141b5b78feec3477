"""The two pictures that the demo leaves; drawn without a screen and without global state."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import SessionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_acll.cli._score import Score
    from napari_acll.core import ChannelAlignment, VoxelGrid
    from napari_acll.export import SavedSession
    from napari_acll.simulate import SimulatedSource

Floats = NDArray[np.floating[Any]]

INK, PAPER, GRID = "#e8e8e8", "#101216", "#3a3f48"
RIGHT, WRONG, TRUTH = "#6fe0a0", "#ff6b6b", "#8a93a3"
CONFIDENCE_MAP = "viridis"
N_LINES = 16
"""Neurons whose traces are drawn one by one: as many as can be read."""
MARGIN_UM = 6.0
"""What is shown around the labels."""
PICTURE_TITLE = (
    "Volume {} from above and from the side: marker magenta, activity green, outlines of the"
    " labels;\nnames are green where right and red where wrong (those that would cover surer ones"
    " are left out)"
)


def save_traces_figure(saved: "SavedSession", score: "Score", path: Path) -> None:
    """Write a picture of all traces as a heat map and the surest ones as lines.

    Parameters
    ----------
    saved : SavedSession
        The session.
    score : Score
        Truth to draw beside the traces.
    path : Path
        The PNG file to write.

    Raises
    ------
    SessionError
        If it cannot be written.
    """
    figure = _figure(14, 8.2)
    heat, lines = figure.subplots(1, 2, width_ratios=(1, 1.15))
    ratio, confidence = saved.read("ratio"), saved.read("confidence")
    time_s = saved.read("time_s")
    order = _by_confidence(confidence)
    _draw_heat_map(heat, time_s, ratio[:, order])
    _draw_lines(lines, saved, score, _liveliest(ratio, order))
    figure.suptitle(
        f"Neurons named and traced in a simulated worm: {len(order)} names,"
        f" {saved.n_timepoints} volumes",
        color=INK,
        fontsize=14,
    )
    _save(figure, path)


def save_volume_picture(
    saved: "SavedSession", source: "SimulatedSource", score: "Score", path: Path
) -> None:
    """Write a picture of one labeled volume, from above and from the side.

    Names are green where they are right and red where they are wrong.

    Parameters
    ----------
    saved : SavedSession
        The session, with label maps.
    source : SimulatedSource
        The recording that it ran on.
    score : Score
        Which names are right.
    path : Path
        The PNG file to write.

    Raises
    ------
    SessionError
        If the session holds no labels, or the picture cannot be written.
    """
    from napari_acll.preprocess import Preprocessor

    index = int(np.argmax(score.is_right.sum(axis=1)))
    preprocessor = Preprocessor(source.spec, saved.settings.preprocess)
    volume = preprocessor.apply(source.read(index))
    grid = volume.spec.grid
    labels = saved.labels(index)
    z_um, y_um, x_um = grid.voxel_size_um
    view = _around(labels, grid.voxel_size_um)
    (z_low, z_high), (y_low, y_high), (x_low, x_high) = view * [[z_um], [y_um], [x_um]]
    heights = (y_high - y_low, z_high - z_low)
    figure = _figure(15, 14 * sum(heights) / (x_high - x_low) + 1.2)
    top, side = figure.subplots(2, 1, height_ratios=heights)
    activity = _aligned(volume.activity.max(axis=0), saved.alignment, grid)
    _draw_projection(top, volume.marker.max(axis=0), activity, labels.max(axis=0), (y_um, x_um))
    marker = volume.marker.max(axis=1)
    _draw_projection(side, marker, marker, labels.max(axis=1), (z_um, x_um))
    top.set(xlim=(x_low, x_high), ylim=(y_high, y_low), ylabel="y (um)")
    side.set(xlim=(x_low, x_high), ylim=(z_high, z_low), ylabel="z (um)", xlabel="x (um)")
    centroid_px = grid.from_stored_px(saved.read("centroid_px", index, index + 1)[0])
    centroid_um = (centroid_px[:, 1:] + 0.5) * (y_um, x_um)
    confidence = saved.read("confidence", index, index + 1)[0]
    _draw_names(top, figure, centroid_um, saved.neurons.names, score.is_right[index], confidence)
    top.set_title(PICTURE_TITLE.format(index), color=INK, fontsize=12)
    _save(figure, path)


def _around(labels: NDArray[Any], voxel_size_um: tuple[float, float, float]) -> Floats:
    """Return the first and last voxel of a box around the labels, shape (3, 2)."""
    where = np.argwhere(labels)
    if not len(where):
        return np.array([[0.0, n] for n in labels.shape])
    margin = MARGIN_UM / np.asarray(voxel_size_um)
    low = np.maximum(0, where.min(axis=0) - margin)
    high = np.minimum(labels.shape, where.max(axis=0) + 1 + margin)
    return np.stack([low, high], axis=1)


def _aligned(
    picture: NDArray[Any], alignment: "ChannelAlignment | None", grid: "VoxelGrid"
) -> NDArray[Any]:
    """Return a projection along z of the activity channel as the marker channel lies."""
    from scipy import ndimage

    if alignment is None:
        return picture
    indices = np.indices(picture.shape, dtype=np.float64)
    places = alignment.to_activity_px(indices[0], indices[1], grid=grid)
    return np.asarray(ndimage.map_coordinates(picture.astype(np.float32), places, order=1))


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: "Figure", path: Path) -> None:
    for axes in figure.axes:
        axes.tick_params(colors=INK, labelsize=8)
        for text in (axes.xaxis.label, axes.yaxis.label):
            text.set_color(INK)
        for spine in axes.spines.values():
            spine.set_color(GRID)
    try:
        figure.savefig(path, dpi=120, facecolor=PAPER)
    except OSError as error:
        raise SessionError(
            f"The picture {path} cannot be written ({error.strerror}); free some space or choose"
            " another folder."
        ) from error


def _by_confidence(confidence: Floats) -> list[int]:
    """Return the neurons that were named at all, the surest first."""
    total = np.nansum(confidence, axis=0)
    order = np.argsort(-total, kind="stable")
    return [int(neuron) for neuron in order if total[neuron] > 0]


def _relative(ratio: Floats) -> Floats:
    """Return each column over its own 20th percentile, as F/F20."""
    with np.errstate(all="ignore"):
        base = np.array(
            [np.nanpercentile(c, 20) if np.isfinite(c).any() else np.nan for c in ratio.T]
        )
        return np.asarray(ratio / base)


def _draw_heat_map(axes: "Axes", time_s: Floats, ratio: Floats) -> None:
    from matplotlib import colormaps

    colors = colormaps["magma"].with_extremes(bad="#2a2d33")
    last = time_s[np.isfinite(time_s)].max(initial=1.0)
    image = axes.imshow(
        _relative(ratio).T,
        aspect="auto",
        interpolation="nearest",
        cmap=colors,
        vmin=0.8,
        vmax=2.0,
        extent=(0, float(last), ratio.shape[1] + 0.5, 0.5),
    )
    axes.set(xlabel="time (s)", ylabel="neuron, by confidence")
    axes.set_title("All named neurons, the surest on top; gray: absent", color=INK, fontsize=11)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.01, fraction=0.04)
    bar.set_label("ratio over its 20th percentile")


def _liveliest(ratio: Floats, order: list[int]) -> list[int]:
    """Return the neurons of the surer half whose traces vary most, the surest first."""
    found = np.isfinite(ratio).mean(axis=0)
    sure = [neuron for neuron in order[: max(N_LINES, len(order) // 2)] if found[neuron] > 0.5]
    spread = np.nanstd(_relative(ratio[:, sure]), axis=0) if sure else np.zeros(0)
    return [sure[i] for i in sorted(np.argsort(-spread, kind="stable")[:N_LINES].tolist())]


def _draw_lines(axes: "Axes", saved: "SavedSession", score: "Score", neurons: list[int]) -> None:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable

    axes.set_facecolor(PAPER)
    neuron_time_s = saved.read("neuron_time_s")
    relative = _relative(saved.read("ratio"))
    truth = _relative(score.true_ratio)
    confidence = saved.read("confidence")
    colors = colormaps[CONFIDENCE_MAP]
    for row, neuron in enumerate(neurons):
        low = -1.0 * row
        times_s = neuron_time_s[:, neuron]
        axes.plot(times_s, truth[:, neuron] - 1 + low, color=TRUTH, lw=1.0, zorder=1)
        axes.plot(
            times_s,
            relative[:, neuron] - 1 + low,
            color=colors(float(np.nanmean(confidence[:, neuron]))),
            lw=1.6,
            zorder=2,
        )
    axes.set_yticks(-1.0 * np.arange(len(neurons)), [saved.neurons.names[i] for i in neurons])
    axes.set_xlabel("time (s)")
    axes.set_title(
        "The liveliest of the surer half; gray: the simulator's truth", color=INK, fontsize=11
    )
    bar = axes.figure.colorbar(ScalarMappable(cmap=colors), ax=axes, pad=0.01, fraction=0.04)
    bar.set_label("confidence of the name")
    axes.margins(x=0.01, y=0.02)


def _draw_projection(
    axes: "Axes",
    marker: NDArray[Any],
    activity: NDArray[Any],
    classes: NDArray[Any],
    pixel_um: tuple[float, float],
) -> None:
    """Draw two projections, magenta and green, and the outlines of what was labeled."""
    red, green = _stretched(marker), _stretched(activity)
    height, width = red.shape
    extent = (0.0, width * pixel_um[1], height * pixel_um[0], 0.0)
    axes.imshow(np.dstack([red, green, red]), extent=extent, interpolation="bilinear")
    axes.imshow(_outlines(classes), extent=extent, interpolation="nearest")


def _stretched(picture: NDArray[Any]) -> Floats:
    low, high = np.percentile(picture, [20, 99.7])
    return np.asarray(np.clip((picture - low) / max(1.0, high - low), 0, 1) ** 0.7)


def _outlines(classes: NDArray[Any]) -> Floats:
    """Return RGBA, opaque where a label borders on another one."""
    from matplotlib import colormaps

    is_edge = np.zeros(classes.shape, bool)
    for axis in (0, 1):
        differs = np.diff(classes.astype(np.int32), axis=axis) != 0
        lower = [slice(None)] * 2
        upper = [slice(None)] * 2
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        is_edge[tuple(lower)] |= differs
        is_edge[tuple(upper)] |= differs
    is_edge &= classes > 0
    rgba = colormaps["hsv"]((classes * 0.618034) % 1.0)  # neighbors in number differ in color
    rgba[..., 3] = 0.8 * is_edge
    return np.asarray(rgba)


def _draw_names(
    axes: "Axes",
    figure: "Figure",
    centroid_um: Floats,
    names: tuple[str, ...],
    is_right: NDArray[np.bool_],
    confidence: Floats,
) -> None:
    """Write the names, the surest first; one that would cover another is left out."""
    from matplotlib import patheffects

    halo = [patheffects.withStroke(linewidth=2.5, foreground="#000000")]
    figure.draw_without_rendering()  # only then the size of a text is known
    taken: list[Any] = []
    for neuron in np.argsort(-np.nan_to_num(confidence), kind="stable"):
        if not np.isfinite(centroid_um[neuron]).all():
            continue
        y_um, x_um = (float(place) for place in centroid_um[neuron])
        text = axes.text(
            x_um,
            y_um,
            names[neuron],
            color=RIGHT if is_right[neuron] else WRONG,
            fontsize=8,
            ha="center",
            va="center",
            path_effects=halo,
            clip_on=True,
        )
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in taken):
            text.remove()
        else:
            taken.append(box)
