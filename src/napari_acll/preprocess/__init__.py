"""From a volume as stored to one that can be labeled, and how its channels lie."""

from napari_acll.preprocess._alignment_calibrator import (
    AlignmentCalibrator,
    estimate_alignment,
)
from napari_acll.preprocess._alignment_drift import channel_drift
from napari_acll.preprocess._alignment_file import load_alignment, save_alignment
from napari_acll.preprocess._alignment_findings import ScoreProfile, UnusedVolume, VolumeEstimate
from napari_acll.preprocess._alignment_rig import (
    applied_alignment_path,
    last_alignment,
    remember_alignment,
    rig_name,
    settle_alignment,
)
from napari_acll.preprocess._preprocessor import Preprocessor

__all__ = [
    "AlignmentCalibrator",
    "Preprocessor",
    "ScoreProfile",
    "UnusedVolume",
    "VolumeEstimate",
    "applied_alignment_path",
    "channel_drift",
    "estimate_alignment",
    "last_alignment",
    "load_alignment",
    "remember_alignment",
    "rig_name",
    "save_alignment",
    "settle_alignment",
]
