"""Contract test suites and fakes for people who write a stage; never imported at run time."""

from napari_acll.testing._identity_filters import IdentityFilterContract
from napari_acll.testing._labelers import LabelerContract
from napari_acll.testing._live_sources import LiveSourceContract
from napari_acll.testing._publishers import PublisherContract, fake_published
from napari_acll.testing._session import (
    SessionWriterContract,
    TraceEstimatorContract,
    fake_sample,
    write_fake_volume,
)
from napari_acll.testing._session_fakes import (
    ACTIVITY_BACKGROUND,
    MARKER_BACKGROUND,
    FakeCalibrator,
    FakeLabeler,
    FakePreprocessor,
    FakeSource,
    GatedLabeler,
    MemoryWriter,
    expected_ratio,
    fake_labeled,
    fake_spec,
    fake_volume,
)
from napari_acll.testing._sources import SourceContract

__all__ = [
    "ACTIVITY_BACKGROUND",
    "MARKER_BACKGROUND",
    "FakeCalibrator",
    "FakeLabeler",
    "FakePreprocessor",
    "FakeSource",
    "GatedLabeler",
    "IdentityFilterContract",
    "LabelerContract",
    "LiveSourceContract",
    "MemoryWriter",
    "PublisherContract",
    "SessionWriterContract",
    "SourceContract",
    "TraceEstimatorContract",
    "expected_ratio",
    "fake_labeled",
    "fake_published",
    "fake_sample",
    "fake_spec",
    "fake_volume",
    "write_fake_volume",
]
