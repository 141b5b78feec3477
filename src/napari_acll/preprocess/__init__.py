"""From a volume as stored to one that can be labeled."""

from napari_acll.preprocess._preprocessor import Preprocessor

__all__ = ["Preprocessor"]
