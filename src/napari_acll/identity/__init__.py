"""Identity filters: from names of single volumes to identities that are consistent over time."""

from napari_acll.identity._evidence_filter import EvidenceFilter

__all__ = ["EvidenceFilter"]
