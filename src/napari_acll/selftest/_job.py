"""A step of the self-test, done in a process of its own so that nothing can end the report."""

import json
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from napari_acll.core import AcllError, AcllSettings


class Job(BaseModel):
    """What a step is asked for, as a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recording: str = Field(description="What is played.")
    settings: AcllSettings = Field(description="All settings.")
    session: Path = Field(description="Where the session is saved.")
    screenshot: Path = Field(description="Where a picture of the window is saved.")
    result: Path = Field(description="Where the step writes what came of it.")
    n_volumes: int = Field(ge=1, description="Volumes of the recording.")
    n_compared: int = Field(ge=1, description="Volumes that are labeled on the CPU, too.")


def run_step(job_file: str, step: Callable[[Job], Mapping[str, object]]) -> int:
    """Do a step and write what came of it, or why nothing did.

    Parameters
    ----------
    job_file : str
        JSON file of a `Job`.
    step : callable
        Returns JSON values.

    Returns
    -------
    int
        0 if it worked.
    """
    job = Job.model_validate_json(Path(job_file).read_text(encoding="utf-8"))
    try:
        told = {"is_ok": True, **step(job)}
    except Exception as error:  # noqa: BLE001  outer edge of a process: the report says it
        told = {
            "is_ok": False,
            "error": str(error) if isinstance(error, AcllError) else _sentence(error),
            "trace": traceback.format_exc(),
        }
    job.result.write_text(json.dumps(told, indent=1), encoding="utf-8")
    return 0 if told["is_ok"] else 1


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
