"""Virtual worms: anatomy and activity fitted to real animals, and volumes made of them."""

from napari_acll.simulate._activity import ActivitySettings, sample_traces
from napari_acll.simulate._anatomy import (
    RADIUS_RANGE_UM,
    Anatomy,
    AnimalShape,
    held_out_animals,
)
from napari_acll.simulate._camera import CameraSettings
from napari_acll.simulate._defects import Defects, DefectSettings
from napari_acll.simulate._head import HeadSettings
from napari_acll.simulate._motion import Motion, MotionSettings
from napari_acll.simulate._nd2_metadata import Nd2Channel
from napari_acll.simulate._nd2_writer import BLOCK_HEAD_BYTES, Nd2Writer
from napari_acll.simulate._optics import OpticsSettings
from napari_acll.simulate._points import (
    PointSample,
    PoseSettings,
    pose_points,
    pose_positions,
    sample_points,
)
from napari_acll.simulate._recording_writers import write_array, write_nd2, write_nd2_folder
from napari_acll.simulate._source import SimulatedSource
from napari_acll.simulate._tissue import TissueSettings
from napari_acll.simulate._truth import Truth
from napari_acll.simulate._truth_files import TRUTH_COLUMNS, write_truth
from napari_acll.simulate._worm import VirtualWorm, WormSettings

__all__ = [
    "BLOCK_HEAD_BYTES",
    "RADIUS_RANGE_UM",
    "TRUTH_COLUMNS",
    "ActivitySettings",
    "Anatomy",
    "AnimalShape",
    "CameraSettings",
    "DefectSettings",
    "Defects",
    "HeadSettings",
    "Motion",
    "MotionSettings",
    "Nd2Channel",
    "Nd2Writer",
    "OpticsSettings",
    "PointSample",
    "PoseSettings",
    "SimulatedSource",
    "TissueSettings",
    "Truth",
    "VirtualWorm",
    "WormSettings",
    "held_out_animals",
    "pose_points",
    "pose_positions",
    "sample_points",
    "sample_traces",
    "write_array",
    "write_nd2",
    "write_nd2_folder",
    "write_truth",
]
