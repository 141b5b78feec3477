"""Small labeled volumes as a lab has them, in every format."""

import csv
from pathlib import Path

import h5py
import nrrd
import numpy as np

NAMES = ("AVAL", "AVAR", "RIBL", "glia")
SHAPE = (6, 9, 14)
BALLS = {  # ROI: (z, y, x) corner of a 2 x 2 x 2 box, name, confidence
    1: ((1, 1, 1), "AVAL", 5),
    2: ((1, 5, 4), "AVAR", 3),
    3: ((3, 2, 7), "RIBL", 1),
    4: ((3, 6, 10), "", 5),
    5: ((0, 6, 1), "glia", 4),
    6: ((4, 0, 11), "glia", 4),
}


def roi_volume() -> np.ndarray:
    rois = np.zeros(SHAPE, np.uint16)
    for roi, ((z, y, x), _, _) in BALLS.items():
        rois[z : z + 2, y : y + 2, x : x + 2] = roi
    return rois


def marker_volume() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.poisson(100, SHAPE) + 300 * (roi_volume() > 0)).astype(np.uint16)


def class_volume(min_confidence: int = 2) -> np.ndarray:
    """What the annotator's table means, worked out nucleus by nucleus."""
    classes = np.zeros(SHAPE, np.uint16)
    for roi, (_, name, confidence) in BALLS.items():
        is_used = name and confidence >= min_confidence
        number = NAMES.index(name) + 1 if is_used else len(NAMES) + 1
        classes[roi_volume() == roi] = number
    return classes


def write_nrrd(path: Path, volume: np.ndarray) -> Path:
    """Write as the field does: axes X, Y, Z."""
    nrrd.write(str(path), volume.transpose(2, 1, 0))
    return path


def write_ids(path: Path) -> Path:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        header = ["Neuron Class", "Coordinates", "ROI ID", "Confidence", "Alternatives", "Notes"]
        table.writerow(header)
        for roi, (corner, name, confidence) in BALLS.items():
            table.writerow([name, f"{corner}", roi, confidence, "", ""])
    return path


def nrrd_entry(folder: Path) -> dict[str, str]:
    write_nrrd(folder / "volume.nrrd", marker_volume())
    write_nrrd(folder / "rois.nrrd", roi_volume())
    write_ids(folder / "ids.csv")
    return {"volume": "volume.nrrd", "rois": "rois.nrrd", "ids": "ids.csv"}


def write_hdf5(path: Path, **datasets: np.ndarray) -> Path:
    content = {
        "raw": marker_volume(),
        "label": class_volume().astype(np.uint8),
        "weight": np.where(roi_volume() > 0, 600, 1).astype(np.uint16),
    } | datasets
    with h5py.File(path, "w") as file:
        for name, data in content.items():
            if data is not None:
                file[name] = data
    (path.parent / "names.txt").write_text("\n".join(NAMES), encoding="utf-8")
    return path
