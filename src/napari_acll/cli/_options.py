"""Command-line options that are settings: name, help and bounds come from the models."""

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from napari_acll.core import AcllSettings, Backfill, DropPolicy, Pace, PublishMode

SETTING_OF_OPTION = {
    "marker_channel": "source.marker_channel",
    "activity_channel": "source.activity_channel",
    "n_z": "source.n_z",
    "z_first": "source.z_first",
    "z_discard": "source.z_discard",
    "axes": "source.axes",
    "live": "source.live.is_live",
    "takes_existing": "source.live.takes_existing",
    "calibration_volumes": "alignment.n_volumes",
    "alignment": "alignment.file",
    "model": "label.model",
    "names": "label.names_file",
    "device": "label.device",
    "pace": "run.pace",
    "drop_policy": "run.drop_policy",
    "backfill": "run.backfill",
    "publish": "publish.mode",
    "marks": "marks.channels",
    "animal": "animal.animal",
    "strain": "animal.strain",
    "condition": "animal.condition",
    "notes": "animal.notes",
}
"""Parameters of commands and the setting that each one gives."""


def setting_field(path: str) -> FieldInfo:
    """Return the field of a setting such as `label.device`.

    Raises
    ------
    KeyError
        If there is no such setting.
    """
    model: type[BaseModel] = AcllSettings
    *groups, name = path.split(".")
    for group in groups:
        annotation = model.model_fields[group].annotation
        if not (inspect.isclass(annotation) and issubclass(annotation, BaseModel)):
            raise KeyError(path)
        model = annotation
    return model.model_fields[name]


def _option(parameter: str, *, metavar: str | None = None) -> Any:
    """Return the option of a setting; not given on the command line it is None."""
    field = setting_field(SETTING_OF_OPTION[parameter])
    default = field.get_default()
    shown = default if default not in (None, "", ()) else ""
    return typer.Option(
        f"--{parameter.replace('_', '-')}",
        help=f"{field.description}" + (f" [default: {shown}]" if shown != "" else ""),
        metavar=metavar,
        show_default=False,
    )


Recording = Annotated[
    str,
    typer.Argument(
        help="ND2 file, folder of volumes, Zarr or NumPy array, or 'simulated:seed=3,volumes=40'."
    ),
]
MarkerChannel = Annotated[int | None, _option("marker_channel")]
ActivityChannel = Annotated[int | None, _option("activity_channel")]
NZ = Annotated[int | None, _option("n_z")]
ZFirst = Annotated[int | None, _option("z_first")]
ZDiscard = Annotated[int | None, _option("z_discard")]
Axes = Annotated[str | None, _option("axes")]
Live = Annotated[bool | None, _option("live")]
TakesExisting = Annotated[bool | None, _option("takes_existing")]
CalibrationVolumes = Annotated[int | None, _option("calibration_volumes")]
AlignmentFile = Annotated[str | None, _option("alignment", metavar="FILE")]
Model = Annotated[str | None, _option("model", metavar="NAME|FILE")]
Names = Annotated[str | None, _option("names", metavar="FILE")]
Device = Annotated[str | None, _option("device", metavar="auto|cpu|cuda:N")]
PaceOption = Annotated[Pace | None, _option("pace")]
DropPolicyOption = Annotated[DropPolicy | None, _option("drop_policy")]
BackfillOption = Annotated[Backfill | None, _option("backfill")]
PublishOption = Annotated[PublishMode | None, _option("publish")]
Marks = Annotated[list[str] | None, _option("marks", metavar="ADDRESS|FILE.csv")]
Animal = Annotated[str | None, _option("animal")]
Strain = Annotated[str | None, _option("strain")]
Condition = Annotated[str | None, _option("condition")]
Notes = Annotated[str | None, _option("notes")]
Config = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        metavar="FILE.yaml",
        help="Settings; or, for a checkpoint, its pytorch-3dunet configuration.",
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile", help="Settings of a rig by name: shipped with the program, or your own."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other setting, such as label.min_probability=0.8; `acll settings` lists them.",
    ),
]
