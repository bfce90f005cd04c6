"""What every section of the configuration is: frozen, strict, named in the file's camelCase."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


class Section(BaseModel):
    """A part of the configuration."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        validate_default=False,
    )

    def _must_not_exceed(self, low: str, high: str) -> None:
        smaller, larger = getattr(self, low), getattr(self, high)
        if smaller > larger:
            raise PydanticCustomError(
                "range",
                "{low} is {smaller}, above {high}, which is {larger}",
                {"low": to_camel(low), "high": to_camel(high), "smaller": smaller, "larger": larger},
            )


def wire_name(section: type[Section], field: str) -> str:
    """A field's name in the file."""
    alias: Any = section.model_fields[field].alias
    return str(alias or field)
