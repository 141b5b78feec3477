"""What a model answered when it was saved, kept with it."""

from pydantic import BaseModel, ConfigDict, Field


class Fingerprint(BaseModel):
    """Answers of a model on the made-up volume of its own atlas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_nuclei: int = Field(ge=0, description="Nuclei that were found.")
    n_named: int = Field(ge=0, description="Of these, given a name.")
    mean_probability: float = Field(ge=0, le=1, description="Of the names that were given.")
    names: tuple[str, ...] = Field(description="Names that were given, sorted.")
