"""A finished session folder beside its recording, made by the real session of fake volumes."""

from pathlib import Path

from napari_acll.core import (
    AcllSettings,
    AlignmentSettings,
    IdentitySettings,
    PublishMode,
    PublishSettings,
    SourceSettings,
    TraceSettings,
)
from napari_acll.export import SavedSession, ZarrSessionWriter
from napari_acll.session._build import assemble, header_of
from napari_acll.simulate import write_array
from napari_acll.sources import open_source
from napari_acll.testing import FakeLabeler, FakeSource

N_VOLUMES = 8


def make_saved(
    folder: Path, n_volumes: int = N_VOLUMES, *, labeler: FakeLabeler | None = None
) -> Path:
    """Write `worm.zarr` and run the session `worm.acll` on it."""
    recording = write_array(FakeSource(range(n_volumes)), folder / "worm.zarr", n_volumes)
    source = open_source(str(recording), SourceSettings())
    settings = AcllSettings(
        alignment=AlignmentSettings(n_volumes=0),
        publish=PublishSettings(mode=PublishMode.OFF),
        # names and values are then known exactly
        identity=IdentitySettings(filter="none"),
        trace=TraceSettings(estimator="ratio"),
    )
    out = folder / "worm.acll"

    def writers(spec, labeler, rig):
        header = header_of(source, spec, labeler, settings, rig=rig, recording=str(recording))
        return [ZarrSessionWriter.create(out, header)], None

    session = assemble(source, settings, writers, labeler=labeler or FakeLabeler())
    session.start()
    assert session.join(60)
    assert SavedSession.open(out).n_timepoints == n_volumes
    return out
