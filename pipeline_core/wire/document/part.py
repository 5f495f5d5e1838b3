"""A mapping inside a document: as a model with strict keys, and as the raw value that a rule looks into.

Knows no key of any document.
"""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Part(BaseModel):
    """A mapping of the document: camelCase keys, only the keys of its fields, no conversion of types."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        field_title_generator=lambda name, _: to_camel(name),
    )


def mapping_at(document: Mapping[str, object], *keys: str) -> Mapping[str, object]:
    """The mapping under `keys`, or an empty one where there is none: Pydantic reports a wrong type."""
    here: object = document
    for key in keys:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}
