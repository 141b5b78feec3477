"""`acll simulate`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_acll.cli._progress import volume_bar
from napari_acll.cli._quoted import quoted
from napari_acll.core import RecordingError, SourceSettings

if TYPE_CHECKING:
    from napari_acll.simulate import SimulatedSource


class Format(StrEnum):
    """How a simulated recording is written."""

    ND2 = "nd2"
    FOLDER = "folder"
    ZARR = "zarr"
    NPY = "npy"


class Geometry(StrEnum):
    """Shape and voxel size of a simulated recording."""

    BINNED = "binned"
    RAW = "raw"
    SMALL = "small"


def simulate(
    out: Annotated[Path, typer.Argument(help="The file or folder to write.")],
    volumes: Annotated[int, typer.Option(min=1, help="Number of volumes.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another animal.")] = 0,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="How it is written.  [default: from the name of OUT]"),
    ] = None,
    geometry: Annotated[
        Geometry,
        typer.Option(
            help="80 x 210 x 322 voxels of 0.54 um (binned), 80 x 630 x 966 of 0.18 um in plane"
            " (raw), or 24 x 70 x 108 of 1.62 um (small)."
        ),
    ] = Geometry.BINNED,
    preset: Annotated[
        str,
        typer.Option(
            help="Harder recordings: dim, fast, sheared, missing-slices, absent (a fifth of the"
            " neurons), strange (a random rig)."
        ),
    ] = "usual",
    masks: Annotated[
        bool, typer.Option("--masks", help="Write the mask of each nucleus, too: OUT.masks.")
    ] = False,
) -> None:
    """Write a recording of a virtual worm, to try things on, and its truth (OUT.truth.csv).

    The truth has a row per nucleus and volume; `acll evaluate --truth` reads it.
    """
    from napari_acll.simulate import SimulatedSource, write_truth

    recording = f"simulated:seed={seed},volumes={volumes},geometry={geometry},preset={preset}"
    source = SimulatedSource.from_recording(recording, SourceSettings())
    chosen = format_ or _format_of(out)
    if chosen is Format.NPY and out.suffix.lower() != ".npy":
        raise RecordingError(f"A NumPy array needs a name that ends in .npy, got {out}.")
    truth, mask_folder = _beside(out, "truth.csv"), _beside(out, "masks") if masks else None
    for path in filter(None, (truth, mask_folder)):
        if path.exists():
            raise RecordingError(f"{path} exists already; choose another name than {out}.")
    _write(source, out, chosen, n_volumes=volumes)
    write_truth(source, truth, volumes, masks=mask_folder)
    typer.echo(f"{out}: {volumes} volumes of {' x '.join(map(str, source.spec.shape))} voxels.")
    typer.echo(f"Next: acll run {quoted(out)} --out {quoted(f'{out.stem}.acll')}")
    typer.echo(f"Then: acll evaluate {quoted(f'{out.stem}.acll')} --truth {quoted(truth)}")


def _beside(out: Path, ending: str) -> Path:
    return out.with_name(f"{out.name}.{ending}")


def _format_of(out: Path) -> Format:
    """Return the format that a name asks for; a name without suffix asks for a folder."""
    suffix = out.suffix.lower()
    by_suffix = {".nd2": Format.ND2, ".npy": Format.NPY, ".zarr": Format.ZARR, "": Format.FOLDER}
    if suffix not in by_suffix:
        raise RecordingError(
            f"The name {out} does not tell how to write it; end it in .nd2, .zarr or .npy, or"
            " choose with --format."
        )
    return by_suffix[suffix]


def _write(source: "SimulatedSource", out: Path, chosen: Format, *, n_volumes: int) -> None:
    from napari_acll.simulate import write_array, write_nd2, write_nd2_folder

    writers = {Format.ND2: write_nd2, Format.FOLDER: write_nd2_folder}
    write = writers.get(chosen, write_array)
    with volume_bar(n_volumes) as advance:
        write(source, out, n_volumes, progress=advance)
