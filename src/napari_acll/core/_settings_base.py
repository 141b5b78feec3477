"""What all settings have in common."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Switch(StrEnum):
    """Choices that YAML, in which `on` and `off` are true and false, does not turn into others."""

    @classmethod
    def _missing_(cls, value: object) -> "Switch | None":
        word = ("on" if value else "off") if isinstance(value, bool) else None
        return next((choice for choice in cls if choice.value == word), None)
