"""Identity filters: from names of single volumes to identities that are consistent over time."""

from napari_acll.identity._evidence_filter import EvidenceFilter
from napari_acll.identity._offline_names import CertainName, RefinedNames, refine_names
from napari_acll.identity._offline_nuclei import FoundNuclei, LinkedNuclei, link_nuclei, n_steps

__all__ = [
    "CertainName",
    "EvidenceFilter",
    "FoundNuclei",
    "LinkedNuclei",
    "RefinedNames",
    "link_nuclei",
    "n_steps",
    "refine_names",
]
