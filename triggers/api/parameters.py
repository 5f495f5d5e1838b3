"""Turns texts of an address or a header into domain values. A wrong text is a 400 that names its place."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

from pipeline_core.domain.cursors import CursorForm
from pipeline_core.domain.errors import InvalidValue
from triggers.api.problem import InvalidField, Refusal

Value = TypeVar("Value")
CURSOR = "`next` of the page before as it is; empty: the first page"


def parse(place: str, kind: Callable[[str], Value], text: str) -> Value:
    """`kind(text)`; `place` is the name of the parameter."""
    try:
        return kind(text)
    except InvalidValue as error:
        fault = InvalidField(path=place, message=str(error), remedy=f"give {error.rule}")
        raise Refusal(
            HTTPStatus.BAD_REQUEST, "invalid-request", f"{place}: {error}", faults=[fault]
        ) from error


def parse_cursor(place: str, form: CursorForm, text: str) -> str:
    """The cursor, empty for the first page. One of another form is refused: its page would be empty, as at the end."""
    return parse(place, form.checked, text)
