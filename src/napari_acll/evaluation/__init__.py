"""How good the names of a session are, given what is true; without torch."""

from napari_acll.evaluation._bins import (
    RECORD_EDGES,
    Bin,
    Reliability,
    binned,
    equal_mass_bins,
    equal_width_bins,
)
from napari_acll.evaluation._evaluation import (
    CONFIDENT,
    MATCH_UM,
    evaluate_session,
    evaluate_sessions,
)
from napari_acll.evaluation._mask_scores import MaskOverlap, MaskScore, overlap_masks, score_masks
from napari_acll.evaluation._matching import match_nuclei, match_volumes
from napari_acll.evaluation._measures import ABOUT, Measure
from napari_acll.evaluation._nuclei import GivenNames, MaskSeries, TrueNuclei, VolumeNumbers
from napari_acll.evaluation._read_names import names_by_model, names_of_session, read_names
from napari_acll.evaluation._read_truth import read_truth
from napari_acll.evaluation._report import check_new_report, summary_sentence, write_report
from napari_acll.evaluation._result import Evaluation, VolumeSeries
from napari_acll.evaluation._rois import RoiScore, score_rois
from napari_acll.evaluation._session_measures import SessionMeasures, measure_session
from napari_acll.evaluation._session_report import session_sentence, write_session_report
from napari_acll.evaluation._tables import AnimalScore, Confusion, NeuronScore

__all__ = [
    "ABOUT",
    "CONFIDENT",
    "MATCH_UM",
    "RECORD_EDGES",
    "AnimalScore",
    "Bin",
    "Confusion",
    "Evaluation",
    "GivenNames",
    "MaskOverlap",
    "MaskScore",
    "MaskSeries",
    "Measure",
    "NeuronScore",
    "Reliability",
    "RoiScore",
    "SessionMeasures",
    "TrueNuclei",
    "VolumeNumbers",
    "VolumeSeries",
    "binned",
    "check_new_report",
    "equal_mass_bins",
    "equal_width_bins",
    "evaluate_session",
    "evaluate_sessions",
    "match_nuclei",
    "match_volumes",
    "measure_session",
    "names_by_model",
    "names_of_session",
    "overlap_masks",
    "read_names",
    "read_truth",
    "score_masks",
    "score_rois",
    "session_sentence",
    "summary_sentence",
    "write_report",
    "write_session_report",
]
