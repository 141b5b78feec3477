"""Recordings of virtual worms of which only what traces need is kept.

Rendering and labeling a volume takes most of a second, tracing it some milliseconds. A tape keeps,
volume by volume, what the model said, what is true, and the counts around the nuclei: 3 MB in the
place of 22. Another identity filter or trace engine is then measured in minutes, on the same
light. What estimators do with a volume of the tape is what they do with the whole one; the voxels
that are not on the tape are at the background.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from measure_identity import MATCH_UM
from numpy.typing import NDArray

from napari_acll.core import (
    AlignmentSettings,
    ChannelAlignment,
    Detections,
    LabeledVolume,
    LabelSettings,
    NeuronTable,
    PreprocessSettings,
    TraceSettings,
    Volume,
    VolumeSpec,
)
from napari_acll.label import load_labeler
from napari_acll.preprocess import AlignmentCalibrator, Preprocessor
from napari_acll.simulate import AnimalShape, Truth, VirtualWorm, WormSettings
from napari_acll.trace import RatioTraceEstimator
from napari_acll.trace._camera_noise import DARK_STEP_PX
from napari_acll.training import match_nuclei

STRAY_SHARE = 0.1
AROUND_UM = (4.5, 3.5, 3.5)
"""What is kept around each nucleus along `(z, y, x)`: more than any footprint reaches."""
_ALIGNMENT, _RECORDING = "alignment.json", "recording.json"
_FIELDS = tuple(Detections.__dataclass_fields__)
Columns = dict[str, NDArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filmed:
    """One volume of a tape.

    Parameters
    ----------
    volume : Volume
        Counts around the nuclei, background elsewhere.
    own : LabeledVolume
        As the model labeled it.
    true : ndarray of int32, shape (n,)
        Class number of the listed neuron that each detection is; 0 for none.
    number : ndarray of int32, shape (m,)
        Class number of each true nucleus, 0 for one that is not listed.
    is_inside : ndarray of bool, shape (m,)
        Which true nuclei lie in the volume.
    ratio : ndarray of float64, shape (m,)
        True ratios.
    centroid_px : ndarray of float64, shape (m, 3)
        True centers, in voxels.
    oracle_ratio : ndarray of float32, shape (n_neurons,)
        Mean over mean under the true masks, through the true alignment.
    """

    volume: Volume
    own: LabeledVolume
    true: NDArray[np.int32]
    number: NDArray[np.int32]
    is_inside: NDArray[np.bool_]
    ratio: NDArray[np.float64]
    centroid_px: NDArray[np.float64]
    oracle_ratio: NDArray[np.float32]

    def named_by_truth(self) -> LabeledVolume:
        """Return the same nuclei with the names of those that they are."""
        return replace(self.own, detections=replace(self.own.detections, neuron=self.true))


def film(shape: AnimalShape, seed: int, settings: WormSettings, folder: Path) -> None:
    """Render and label what a tape does not hold yet; one that was stopped goes on.

    Parameters
    ----------
    shape, seed, settings : AnimalShape, int, WormSettings
        What is recorded.
    folder : Path
        The tape: a file for each volume.
    """
    left = [index for index in range(settings.n_volumes) if not _file(folder, index).exists()]
    if not left:
        return
    folder.mkdir(parents=True, exist_ok=True)
    labeler = load_labeler(LabelSettings(device="cpu"))
    worm = VirtualWorm(shape, settings, seed=seed)
    preprocessor = Preprocessor(worm.spec, PreprocessSettings())
    alignment = _calibrated(worm, preprocessor)
    (folder / _ALIGNMENT).write_text(alignment.model_dump_json(), encoding="utf-8")
    about = {"spec": asdict(preprocessor.spec)}
    (folder / _RECORDING).write_text(json.dumps(about), encoding="utf-8")
    oracle = RatioTraceEstimator(labeler.neurons, TraceSettings(corrects_light=False))
    for index in left:
        volume, truth = preprocessor.apply(worm.render(index)), worm.truth(index)
        (own,) = labeler.label([volume])
        number = _listed(truth, labeler.neurons)
        true = true_labels(worm, truth, number, own)
        columns = _true_columns(own, truth, number)
        columns["oracle_ratio"] = oracle.estimate(volume, true, worm.alignment).ratio
        columns |= _label_columns(own)
        stray = with_stray_voxels(own, np.random.default_rng((seed, index)))
        kept = _kept(own.instances, stray.instances, own.detections, volume.spec)
        columns |= _light_columns(volume, kept, (alignment, worm.alignment))
        part = folder / f"{index}.part.npz"
        np.savez(part, **columns)
        part.replace(_file(folder, index))


def alignment_of(folder: Path) -> ChannelAlignment:
    """Return the alignment of a tape, as a session would have calibrated it."""
    text = (folder / _ALIGNMENT).read_text(encoding="utf-8")
    return ChannelAlignment.model_validate_json(text)


def n_filmed(folder: Path) -> int:
    """Return how many volumes are on a tape."""
    return len(list(folder.glob("[0-9]*[0-9].npz")))


def play(folder: Path) -> Iterator[Filmed]:
    """Yield the volumes of a tape."""
    about = json.loads((folder / _RECORDING).read_text(encoding="utf-8"))
    spec = VolumeSpec.from_json(about["spec"])
    for index in range(n_filmed(folder)):
        with np.load(_file(folder, index)) as saved:
            yield _filmed({name: saved[name] for name in saved.files}, index, spec)


def true_labels(
    worm: VirtualWorm, truth: Truth, number: NDArray, like: LabeledVolume
) -> LabeledVolume:
    """Return the nuclei as they are."""
    masks = worm.instance_masks(truth.index)
    n = len(number)
    return replace(
        like,
        instances=masks,
        detections=Detections(
            centroid_px=truth.centroid_px.astype(np.float32),
            n_voxels=np.bincount(masks.ravel(), minlength=n + 1)[1:].astype(np.int32),
            neuron=number.astype(np.int32),
            probability=np.ones(n, np.float32),
            candidate_neuron=np.full((n, 5), -1, np.int32),
            candidate_probability=np.full((n, 5), np.nan, np.float32),
        ),
        is_labelable=True,
    )


def with_stray_voxels(labeled: LabeledVolume, rng: np.random.Generator) -> LabeledVolume:
    """Return labels in which a tenth of the nuclei have voxels elsewhere, too.

    As where a network classifies voxels: a clump of 2 to 5 voxels along each axis, somewhere in
    the box around the head, belongs to another nucleus; centers are means of all voxels.
    """
    instances = labeled.instances.copy()
    detections = labeled.detections
    center = detections.centroid_px.copy()
    if not len(detections):
        return labeled
    low, high = center.min(axis=0).astype(int), center.max(axis=0).astype(int)
    for row in np.flatnonzero(rng.random(len(center)) < STRAY_SHARE):
        start, size = rng.integers(low, high + 1), rng.integers(2, 6, 3)
        box = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
        n_own = max(int(detections.n_voxels[row]), 1)
        n_stray = int(size.prod())
        instances[box] = row + 1
        middle = start + (size - 1) / 2
        center[row] = (n_own * center[row] + n_stray * middle) / (n_own + n_stray)
    return replace(
        labeled, instances=instances, detections=replace(detections, centroid_px=center)
    )


def _file(folder: Path, index: int) -> Path:
    return folder / f"{index:05d}.npz"


def _calibrated(worm: VirtualWorm, preprocessor: Preprocessor) -> ChannelAlignment:
    """Return the alignment as a session finds it in the first volumes."""
    calibrator = AlignmentCalibrator(preprocessor.spec, AlignmentSettings())
    for index in range(worm.settings.n_volumes):
        calibrator.add(preprocessor.apply(worm.render(index)))
        if calibrator.is_done:
            break
    return calibrator.result()


def _listed(truth: Truth, neurons: NeuronTable) -> NDArray[np.int32]:
    return np.where(truth.is_listed, truth.class_numbers(neurons), 0).astype(np.int32)


def _true_columns(own: LabeledVolume, truth: Truth, number: NDArray) -> Columns:
    """Return what is true of a volume and of the nuclei that were found in it."""
    voxel_um = np.asarray(own.spec.voxel_size_um)
    found_um = own.detections.centroid_px * voxel_um
    matched = match_nuclei(found_um, truth.centroid_px * voxel_um, max_distance_um=MATCH_UM)
    true = np.where(matched >= 0, number[np.maximum(matched, 0)], 0).astype(np.int32)
    return {
        "true": true,
        "number": number,
        "is_inside": truth.is_inside(own.spec.shape),
        "ratio": truth.ratio,
        "true_centroid_px": truth.centroid_px,
    }


def _label_columns(own: LabeledVolume) -> Columns:
    voxels = np.flatnonzero(own.instances)
    columns: Columns = {name: getattr(own.detections, name) for name in _FIELDS}
    columns["mask_voxels"] = voxels.astype(np.int32)
    columns["mask_rows"] = own.instances.ravel()[voxels]
    columns["is_labelable"] = np.array(own.is_labelable)
    return columns


def _kept(
    instances: NDArray, stray: NDArray, detections: Detections, spec: VolumeSpec
) -> NDArray[np.bool_]:
    """Return which voxels of the marker channel a tape keeps."""
    kept: NDArray[np.bool_] = (instances > 0) | (stray > 0)
    half = np.asarray(AROUND_UM) / spec.voxel_size_um
    for center in detections.centroid_px:
        low = np.maximum(np.ceil(center - half), 0).astype(int)
        high = np.floor(center + half).astype(int) + 1
        kept[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    step_z, step_y, step_x = DARK_STEP_PX  # where the engine measures the dark, five slices each
    for z in range(2, len(kept) - 2, step_z):
        kept[z - 2 : z + 3, ::step_y, ::step_x] = True
    return kept


def _light_columns(
    volume: Volume, kept: NDArray[np.bool_], alignments: tuple[ChannelAlignment, ...]
) -> Columns:
    """Return the counts that a tape keeps, and all else of a volume."""
    also = kept.copy()
    z, y, x = np.nonzero(kept)
    _, n_y, n_x = kept.shape
    for alignment in alignments:
        at_y, at_x = alignment.to_activity_px(y, x, grid=volume.spec.grid)
        for next_y in (0, 1):
            for next_x in (0, 1):
                row = np.clip(np.floor(at_y).astype(int) + next_y, 0, n_y - 1)
                also[z, row, np.clip(np.floor(at_x).astype(int) + next_x, 0, n_x - 1)] = True
    return {
        "marker_kept": np.packbits(kept),
        "activity_kept": np.packbits(also),
        "marker": volume.marker[kept],
        "activity": volume.activity[also],
        "background": np.array([volume.marker_background, volume.activity_background]),
        "slice_times_s": volume.slice_times_s,
        "missing_z": np.array(volume.missing_z, np.int64),
        "timestamp_s": np.array(volume.timestamp_s),
    }


def _filmed(saved: Columns, index: int, spec: VolumeSpec) -> Filmed:
    marker_background, activity_background = map(float, saved["background"])
    volume = Volume(
        index=index,
        timestamp_s=float(saved["timestamp_s"]),
        marker=_channel(saved, "marker", marker_background, spec),
        activity=_channel(saved, "activity", activity_background, spec),
        spec=spec,
        slice_times_s=saved["slice_times_s"],
        missing_z=tuple(int(z) for z in saved["missing_z"]),
        marker_background=marker_background,
        activity_background=activity_background,
    )
    instances = np.zeros(spec.shape, np.uint16)
    instances.ravel()[saved["mask_voxels"]] = saved["mask_rows"]
    own = LabeledVolume(
        index=index,
        spec=spec,
        instances=instances,
        detections=Detections(**{name: saved[name] for name in _FIELDS}),
        is_labelable=bool(saved["is_labelable"]),
    )
    return Filmed(
        volume=volume,
        own=own,
        true=saved["true"],
        number=saved["number"],
        is_inside=saved["is_inside"],
        ratio=saved["ratio"],
        centroid_px=saved["true_centroid_px"],
        oracle_ratio=saved["oracle_ratio"],
    )


def _channel(saved: Columns, name: str, background: float, spec: VolumeSpec) -> NDArray:
    size = int(np.prod(spec.shape))
    kept = np.unpackbits(saved[f"{name}_kept"], count=size).astype(np.bool_)
    counts = np.full(size, round(background), saved[name].dtype)
    counts[kept] = saved[name]
    return counts.reshape(spec.shape)
