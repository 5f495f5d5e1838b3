"""A form of a text: the parser of a type of the domain, and the pattern that decides the same. Knows no single form.

A route takes a value with `in_path`, `in_query` or `in_header`, so the OpenAPI document says of a place what its parser
takes there. A text of another form is a 400 that names its place.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Header, Path, Query
from pydantic import WithJsonSchema

from pipeline_core.domain.errors import InvalidValue
from triggers.api.forms import ecma
from triggers.api.problem import InvalidField, Refusal

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class NameForm(Generic[Value]):
    """`parse` takes the texts that `pattern` matches as a whole, with `or_empty` also the empty one, and no other.

    `words` describes them to people. `parse` raises InvalidValue.
    """

    parse: Callable[[str], Value]
    pattern: re.Pattern[str]
    words: str
    or_empty: bool = False

    def schema(self) -> dict[str, Any]:
        """The JSON schema of these texts, in the words of ECMA 262."""
        return ecma.form_of(self.pattern, or_empty=self.or_empty).schema()

    def read(self, place: str, text: str) -> Value:
        """The value of `text`; `place` is the name of the parameter or the field, for the refusal."""
        try:
            return self.parse(text)
        except InvalidValue as error:
            fault = InvalidField(path=place, message=str(error), remedy=f"give {error.rule}")
            raise Refusal(
                HTTPStatus.BAD_REQUEST, "invalid-request", f"{place}: {error}", faults=[fault]
            ) from error


# FastAPI calls an async dependency in the loop, and a sync one in a thread: too dear to read a name.
def in_path(place: str, form: NameForm[Value]) -> Callable[[str], Awaitable[Value]]:
    """A dependency: the value of this part of the address."""

    async def read(
        text: Annotated[str, Path(alias=place, description=form.words), WithJsonSchema(form.schema())],
    ) -> Value:
        return form.read(place, text)

    return read


def in_query(place: str, form: NameForm[Value]) -> Callable[[str], Awaitable[Value]]:
    """A dependency: the value of this parameter, which must be there."""

    async def read(
        text: Annotated[str, Query(alias=place, description=form.words), WithJsonSchema(form.schema())],
    ) -> Value:
        return form.read(place, text)

    return read


def maybe_in_query(place: str, form: NameForm[Value]) -> Callable[[str | None], Awaitable[Value | None]]:
    """A dependency: the value of this parameter; None without it."""

    async def read(
        text: Annotated[
            str | None, Query(alias=place, description=form.words), WithJsonSchema(form.schema())
        ] = None,
    ) -> Value | None:
        return None if text is None else form.read(place, text)

    return read


def maybe_in_header(place: str, form: NameForm[Value]) -> Callable[[str | None], Awaitable[Value | None]]:
    """A dependency: the value of this header; None without it."""

    async def read(
        text: Annotated[
            str | None, Header(alias=place, description=form.words), WithJsonSchema(form.schema())
        ] = None,
    ) -> Value | None:
        return None if text is None else form.read(place, text)

    return read
