"""The parts of an NWB file put together; imported only where pynwb is wanted."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
from pynwb import NWBHDF5IO, NWBFile
from pynwb.device import Device
from pynwb.file import Subject
from pynwb.ophys import ImagingPlane, OpticalChannel

from napari_acll.core import AcllError, SessionError, VolumeSpec, volume_times
from napari_acll.export._nwb_rois import neuron_rois
from napari_acll.export._nwb_series import TraceSeries
from napari_acll.export._nwb_tables import add_intervals, add_provenance
from napari_acll.export._output import Progress
from napari_acll.export._saved_session import SavedSession

_M_PER_UM = 1e-6
_NOT_TOLD = float("nan")
"""For what NWB asks and a session does not know: wavelengths."""


def write_nwb(saved: SavedSession, path: Path, progress: Progress) -> None:
    """Write a session into a new NWB file.

    Raises
    ------
    SessionError
        If the session is damaged.
    OSError
        If the file cannot be written.
    """
    spec = _spec_of(saved)
    times_s = volume_times(saved.read("time_s"), spec.period_s)
    content = _empty_file(saved)
    plane = _imaging_plane(content, saved, spec)
    module = content.create_processing_module("ophys", "Names and traces of neurons.")
    rois = neuron_rois(module, plane, saved, spec.grid)
    TraceSeries(saved, spec, rois, times_s, progress).add_to(module)
    add_intervals(content, saved, times_s, spec.period_s)
    add_provenance(content, saved)
    with (
        _as_of_the_disk(),
        h5py.File(path, "w") as file,
        NWBHDF5IO(file=file, mode="w") as io,
    ):
        io.write(content)
    progress(1.0)


@contextmanager
def _as_of_the_disk() -> Iterator[None]:
    """Raise what the disk said, which hdmf hides in errors of no kind."""
    try:
        yield
    except AcllError:  # it was the session that could not be read, not the file
        raise
    except Exception as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from error
        raise


def _spec_of(saved: SavedSession) -> VolumeSpec:
    try:
        return VolumeSpec.from_json(saved.header["spec"])  # type: ignore[arg-type]
    except (KeyError, TypeError, AttributeError) as error:
        raise SessionError(
            f"{saved.path} does not tell the shape of its volumes; restore its session.json from"
            " a copy."
        ) from error


def _empty_file(saved: SavedSession) -> NWBFile:
    header, animal = saved.header, _texts(saved.header.get("animal"))
    notes = header.get("source_notes")
    versions = _texts(header.get("versions"))
    name = saved.path.resolve().stem
    return NWBFile(
        session_description="Neurons of C. elegans, named and traced volume by volume.",
        # the same session exported twice is the same session
        identifier=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{header.get('started_at')} {name}")),
        session_start_time=_time_zero(saved),
        session_id=name,
        notes=animal.get("notes") or None,
        experiment_description=animal.get("condition") or None,
        data_collection="\n".join(map(str, notes)) if isinstance(notes, list) else None,
        keywords=["C. elegans", "calcium imaging", "whole-brain imaging", "neuron names"],
        was_generated_by=[list(pair) for pair in versions.items()] or None,
        subject=Subject(
            subject_id=animal.get("animal") or name,
            species="Caenorhabditis elegans",
            strain=animal.get("strain") or None,
            sex="U",
            description=animal.get("condition") or "not told",
        ),
    )


def _time_zero(saved: SavedSession) -> datetime:
    """Return when time 0 of the recording was, or else when the session began."""
    if np.isfinite(saved.zero_at_s):
        return datetime.fromtimestamp(saved.zero_at_s, UTC)
    try:
        return datetime.fromisoformat(str(saved.header["started_at"]))
    except (KeyError, ValueError) as error:
        raise SessionError(
            f"{saved.path} does not tell when it was made; restore its session.json from a copy."
        ) from error


def _imaging_plane(content: NWBFile, saved: SavedSession, spec: VolumeSpec) -> ImagingPlane:
    device = Device(
        name="microscope",
        description=f"{saved.header.get('rig') or 'A microscope without a name'};"
        f" recording: {saved.header.get('recording') or 'not told'}",
    )
    content.add_device(device)
    size_um = np.array(spec.voxel_size_um)
    first_um = spec.grid.to_stored_px(np.zeros(3)) * spec.grid.stored_voxel_size_um()
    return content.create_imaging_plane(
        name="labeled_volume",
        description="The volume that is labeled, after crop and binning; (x, y, z).",
        optical_channel=[
            OpticalChannel(name="activity", description=spec.activity_name, **_emission()),
            OpticalChannel(name="marker", description=spec.marker_name, **_emission()),
        ],
        device=device,
        excitation_lambda=_NOT_TOLD,
        imaging_rate=1 / spec.period_s,
        indicator=spec.activity_name,
        location="head",
        grid_spacing=(size_um[::-1] * _M_PER_UM).tolist(),
        origin_coords=(first_um[::-1] * _M_PER_UM).tolist(),
        reference_frame="center of the first voxel of the recording as stored; (x, y, z)",
    )


def _emission() -> dict[str, float]:
    return {"emission_lambda": _NOT_TOLD}


def _texts(content: object) -> dict[str, str]:
    known = content if isinstance(content, dict) else {}
    return {str(key): str(value) for key, value in known.items()}
