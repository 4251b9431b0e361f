"""The base of every block of keys in the language."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

AS_WRITTEN: Final = "as written"
"""The context of a validation of what a person wrote: there, nothing stands behind no key."""

WAS_ACCEPTED: Final = "was accepted"
"""The context of a validation of what is in force: rules that came later do not count."""

__all__ = ["AS_WRITTEN", "WAS_ACCEPTED", "StrictModel"]


class StrictModel(BaseModel):
    """A block of keys: unknown keys are errors, nothing is converted, nothing changes later.

    A key that may be left out is never written with nothing behind it: what somebody meant to choose there would be as
    it is by itself. may_be_bare: keys of which `contradictions` tells as advice that they say nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    may_be_bare: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*", mode="before")
    @classmethod
    def _says_something(cls, value: object, info: ValidationInfo) -> object:
        name = info.field_name or ""
        may_be_left_out = not cls.model_fields[name].is_required() and name not in cls.may_be_bare
        if value is None and info.context == AS_WRITTEN and may_be_left_out:
            raise PydanticCustomError("nothing", "Input should not be empty")
        return value
