"""What a session says about itself before its first volume."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from napari_acll.core import (
    AcllSettings,
    NeuronTable,
    VolumeSpec,
    calibration_label,
    calibration_notice,
)

_PACKAGES = ("napari-acll", "numpy", "torch", "numba", "zarr", "nd2", "scipy", "h5py", "pydantic")


def package_versions() -> dict[str, str]:
    """Return the versions of Python, the platform and the packages that decide the results."""
    versions = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def now_iso() -> str:
    """Return the wall time with its offset from UTC, to the millisecond."""
    return datetime.now(UTC).astimezone().isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionHeader:
    """Everything that is known about a session before its first volume.

    Parameters
    ----------
    neurons : NeuronTable
        The neurons of the model, which decide the columns of the traces.
    stored_spec : VolumeSpec
        The recording as stored.
    spec : VolumeSpec
        The volumes that are labeled: after crop and binning.
    settings : AcllSettings
        All settings, the notes on the animal included.
    source : mapping
        `VolumeSource.describe()`: which recording it is.
    source_notes : sequence of str
        What the source said about how it reads the recording.
    model : mapping
        `Labeler.describe()`: name, kind, hash of the weights, device.
    rig : str
        Name under which the alignment of this microscope is remembered; empty if none.
    recording : str
        How the recording was given, such as a path or an address; empty for an object.
    refined_from : str
        Path of the session that this one is a second pass over; empty for any other.
    folder : str
        Where paths in the settings begin.
    versions : mapping
        Versions of the software.
    started_at : str
        Wall time of the start, ISO 8601 with offset.
    """

    neurons: NeuronTable
    stored_spec: VolumeSpec
    spec: VolumeSpec
    settings: AcllSettings
    source: Mapping[str, object] = field(default_factory=dict)
    source_notes: Sequence[str] = ()
    model: Mapping[str, object] = field(default_factory=dict)
    rig: str = ""
    recording: str = ""
    refined_from: str = ""
    folder: str = field(default_factory=lambda: str(Path.cwd()))
    versions: Mapping[str, str] = field(default_factory=package_versions)
    started_at: str = field(default_factory=now_iso)

    def to_json(self) -> dict[str, object]:
        """Return the header as JSON values."""
        return {
            "started_at": self.started_at,
            "recording": self.recording,
            "folder": self.folder,
            "source": dict(self.source),
            "source_notes": list(self.source_notes),
            "model": dict(self.model),
            "calibrated_on": calibration_label(self.model),
            "calibration_notice": calibration_notice(self.model),
            "neurons": list(self.neurons.names),
            "rig": self.rig,
            "animal": self.settings.animal.model_dump(mode="json"),
            "settings": self.settings.model_dump(mode="json"),
            "stored_spec": asdict(self.stored_spec),
            "spec": asdict(self.spec),
            "versions": dict(self.versions),
            **({"refined_from": self.refined_from} if self.refined_from else {}),
        }
