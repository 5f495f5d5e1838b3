"""A definition that was accepted before, maybe by another release: the same keys, without any rule about their values.

The models are those of today's schema, stripped of their bounds and forms. A key that this release does not know is
ignored, a missing one has its default, and so has a list's entry of a kind that this release does not know.
"""

import functools
from collections.abc import Mapping
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from pipeline_core.wire.document.part import Part
from pipeline_core.wire.image_yaml import model

_OPEN = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel)


def read(document: Mapping[str, object]) -> model.Document:
    """The document as it was accepted. Raises ValueError where a needed key is missing or makes no sense."""
    return cast("model.Document", _open(model.Document).model_validate(dict(document)))


@functools.cache
def _open(part: type[BaseModel]) -> type[BaseModel]:
    """The model with the same fields, and no rule."""
    fields: dict[str, Any] = {
        name: (_kind(field.annotation), _default(field)) for name, field in part.model_fields.items()
    }
    return create_model(part.__name__, __config__=_OPEN, **fields)


def _kind(annotation: Any) -> Any:
    """The type without its rules, at every depth."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, UnionType):
        return Union[tuple(_kind(each) for each in arguments)]  # noqa: UP007 - its members are known at run time only
    if origin is list and _is_enum(_kind(arguments[0])):
        kind = _kind(arguments[0])
        return Annotated[origin[kind], BeforeValidator(functools.partial(_known, kind))]
    if origin in (list, dict):
        return origin[tuple(_kind(each) for each in arguments)]
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return _open(annotation)
    return annotation


def _default(field: FieldInfo) -> Any:
    """The default of a field, or what says that it has none."""
    factory = field.default_factory
    return field.default if factory is None else Field(default_factory=factory)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _known(kind: type[Enum], given: object) -> object:
    """The entries that this release knows."""
    return (
        [each for each in given if each in {one.value for one in kind}] if isinstance(given, list) else given
    )
