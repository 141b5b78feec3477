"""From evidence to names, each given at most once: what labelers and identity filters share."""

from napari_acll.naming._assignment import (
    NONE_ODDS,
    assign_names,
    name_probabilities,
    top_candidates,
)

__all__ = ["NONE_ODDS", "assign_names", "name_probabilities", "top_candidates"]
