"""Contract test suites for people who write a stage; never imported at run time."""

from napari_acll.testing._labelers import LabelerContract

__all__ = ["LabelerContract"]
