"""Which detection is which nucleus, as evaluation has it."""

from napari_acll.evaluation import match_nuclei

__all__ = ["match_nuclei"]
