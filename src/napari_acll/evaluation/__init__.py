"""How good the names of a session are, given what is true; without torch."""

from napari_acll.evaluation._bins import (
    RECORD_EDGES,
    Bin,
    Reliability,
    binned,
    equal_mass_bins,
    equal_width_bins,
)
from napari_acll.evaluation._elements import section, table
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
from napari_acll.evaluation._page import page_of
from napari_acll.evaluation._read_names import names_by_model, names_of_session, read_names
from napari_acll.evaluation._read_traces import (
    has_numbered_columns,
    read_traces,
    traces_of_session,
)
from napari_acll.evaluation._read_truth import read_truth
from napari_acll.evaluation._report import check_new_report, summary_sentence, write_report
from napari_acll.evaluation._result import Evaluation, VolumeSeries
from napari_acll.evaluation._rois import RoiScore, score_rois
from napari_acll.evaluation._session_measures import SessionMeasures, measure_session
from napari_acll.evaluation._session_report import session_sentence, write_session_report
from napari_acll.evaluation._tables import AnimalScore, Confusion, NeuronScore
from napari_acll.evaluation._trace_comparison import (
    Exchange,
    NeuronAgreement,
    TraceComparison,
    compare_traces,
)
from napari_acll.evaluation._trace_report import (
    AGREEMENT_HEADER,
    agreement_rows,
    check_new_comparison,
    comparison_sentence,
    exchange_sentence,
    write_comparison,
)
from napari_acll.evaluation._trace_table import AlignedBy, TraceTable

__all__ = [
    "ABOUT",
    "AGREEMENT_HEADER",
    "CONFIDENT",
    "MATCH_UM",
    "RECORD_EDGES",
    "AlignedBy",
    "AnimalScore",
    "Bin",
    "Confusion",
    "Evaluation",
    "Exchange",
    "GivenNames",
    "MaskOverlap",
    "MaskScore",
    "MaskSeries",
    "Measure",
    "NeuronAgreement",
    "NeuronScore",
    "Reliability",
    "RoiScore",
    "SessionMeasures",
    "TraceComparison",
    "TraceTable",
    "TrueNuclei",
    "VolumeNumbers",
    "VolumeSeries",
    "agreement_rows",
    "binned",
    "check_new_comparison",
    "check_new_report",
    "compare_traces",
    "comparison_sentence",
    "equal_mass_bins",
    "equal_width_bins",
    "evaluate_session",
    "evaluate_sessions",
    "exchange_sentence",
    "has_numbered_columns",
    "match_nuclei",
    "match_volumes",
    "measure_session",
    "names_by_model",
    "names_of_session",
    "overlap_masks",
    "page_of",
    "read_names",
    "read_traces",
    "read_truth",
    "score_masks",
    "score_rois",
    "section",
    "session_sentence",
    "summary_sentence",
    "table",
    "traces_of_session",
    "write_comparison",
    "write_report",
    "write_session_report",
]
