"""Which labeled volumes of a lab a training reads, and how."""

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from napari_acll.training._settings_base import FrozenSettings

N_CONFIDENCES = 5
"""Annotators give names a confidence from 1 to this."""

_KINDS = {
    "hdf5": ("hdf5",),
    "nrrd": ("volume", "rois", "ids"),
    "session": ("session", "names"),
}


class LabEntry(FrozenSettings):
    """One labeled volume, or several: `hdf5`; or `volume`, `rois`, `ids`; or `session`, `names`.

    Paths are relative to the settings file.
    """

    hdf5: str | None = Field(
        None,
        description="HDF5 file of AutoCellLabeler with `raw`, `label` and `weight`; may be a"
        " pattern such as train/*.h5.",
    )
    volume: str | None = Field(None, description="NRRD file of the marker channel.")
    rois: str | None = Field(None, description="NRRD file in which voxels hold the ROI's number.")
    ids: str | None = Field(
        None, description="Table (.csv or .xlsx) with ROI numbers, neuron names and confidences."
    )
    roi_match: str | None = Field(
        None,
        description="HDF5 file whose `roi_match` (timepoints x ROIs) gives the number in `ids` of"
        " each ROI of a timepoint; None: they have the same numbers.",
    )
    timepoint: int | None = Field(None, ge=1, description="Row of `roi_match`, from 1.")
    session: str | None = Field(None, description="Session folder that `acll run --out` made.")
    names: str | None = Field(
        None, description="Table (.csv) `volume,name,z_px,y_px,x_px` of names that a user gave."
    )

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        given = [kind for kind, needed in _KINDS.items() if getattr(self, needed[0]) is not None]
        if len(given) != 1:
            raise ValueError("expected one of hdf5; or volume, rois and ids; or session and names")
        missing = [name for name in _KINDS[given[0]] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"beside {_KINDS[given[0]][0]} it needs {' and '.join(missing)}")
        allowed = {*_KINDS[given[0]], *(("roi_match", "timepoint") if given == ["nrrd"] else ())}
        surplus = sorted(set(self.model_dump(exclude_none=True)) - allowed)
        if surplus:
            raise ValueError(f"{', '.join(surplus)} does not belong to {_KINDS[given[0]][0]}")
        if (self.roi_match is None) != (self.timepoint is None):
            raise ValueError("roi_match and timepoint belong together")
        return self

    def beside(self, folder: Path) -> "LabEntry":
        """Return the entry with its paths relative to a folder."""
        given = self.model_dump(exclude_none=True)
        paths = {
            name: str(folder / Path(value).expanduser())
            for name, value in given.items()
            if isinstance(value, str)
        }
        return LabEntry.model_validate(given | paths)


class LabDataSettings(FrozenSettings):
    """Labeled volumes of a lab, and what their labels mean."""

    train: tuple[LabEntry, ...] = Field(min_length=1, description="Volumes to learn from.")
    validation: tuple[LabEntry, ...] = Field(
        (), description="Volumes that are not learned from, of other animals."
    )
    names_file: str | None = Field(
        None,
        description="Neuron names of the classes 1, 2, ... (.txt, .csv, .h5); None: the table"
        " beside HDF5 files, or all names in the ID tables.",
    )
    channel: int | None = Field(
        None, ge=0, description="Channel of the marker in an HDF5 `raw` that has several."
    )
    voxel_size_um: tuple[float, float, float] = Field(
        (0.54, 0.54, 0.54), description="(Z, Y, X) voxel size of HDF5 and NRRD files, in um."
    )
    crop_px: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None = Field(
        None,
        description="First and last-plus-one voxel along (Z, Y, X) of HDF5 and NRRD files; None:"
        " all.",
    )
    min_confidence: int = Field(
        2, ge=1, le=N_CONFIDENCES, description="Names that an annotator trusts less are not used."
    )
    confidence_weights: tuple[float, float, float, float, float] = Field(
        (10, 50, 600, 900, 1000), description="Weight of a voxel for confidence 1 to 5."
    )
    unlabeled_weight: float = Field(1, ge=0, description="Weight of voxels without a known name.")
    background_weight: float = Field(1, ge=0, description="Weight of voxels outside nuclei.")
    repeatable_names: tuple[str, ...] = Field(
        ("glia", "granule"), description="Classes that may stand more than once in a volume."
    )

    @field_validator("voxel_size_um", "confidence_weights")
    @classmethod
    def _is_positive(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if min(values) <= 0:
            raise ValueError("expected numbers above 0")
        return values

    @field_validator("crop_px")
    @classmethod
    def _is_a_box(
        cls, crop: tuple[tuple[int, int], ...] | None
    ) -> tuple[tuple[int, int], ...] | None:
        if crop and any(start < 0 or stop <= start for start, stop in crop):
            raise ValueError("expected [first, last plus one] along z, y and x, first from 0 on")
        return crop

    def beside(self, folder: Path) -> "LabDataSettings":
        """Return the settings with all paths relative to a folder."""
        names = None if self.names_file is None else str(folder / self.names_file)
        return self.model_copy(
            update={
                "train": tuple(entry.beside(folder) for entry in self.train),
                "validation": tuple(entry.beside(folder) for entry in self.validation),
                "names_file": names,
            }
        )
