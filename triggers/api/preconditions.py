"""ETags and the preconditions of a change, so that two editors cannot overwrite each other.

A table's own ETag holds quotes and a weakness mark. Over HTTP it is a strong, opaque text.
"""

import base64
import binascii
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Header

from pipeline_core.domain.errors import StaleWrite
from triggers.api.problem import Refusal

_NO_VERSION = "If-Match names no version of what is changed: take the ETag of GET as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """Either `create_only`, or the `expected` version of what is changed."""

    expected: str | None
    create_only: bool


IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="The ETag of the version that is changed, as GET gave it"),
]
IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="*: create what does not exist yet")
]


def quoted(etag: str) -> str:
    """The value of an `ETag` header."""
    return '"' + base64.urlsafe_b64encode(etag.encode()).decode().rstrip("=") + '"'


def precondition_of(expected: IfMatch = None, absent: IfNoneMatch = None) -> Precondition:
    """The precondition of a PUT; raises a 428 where there is none, and a 400 where it is not clear."""
    if expected is not None and absent is not None:
        raise _unclear("If-Match and If-None-Match exclude each other: send one")
    if absent is not None:
        if absent.strip() != "*":
            raise _unclear("If-None-Match takes * only, to create what does not exist")
        return Precondition(expected=None, create_only=True)
    return Precondition(expected=_unquoted(expected), create_only=False)


def expected_of(expected: IfMatch = None) -> str:
    """The version that a DELETE expects; raises a 428 where it names no version."""
    return _unquoted(expected)


def _unquoted(header: str | None) -> str:
    if header is None:
        raise Refusal(
            HTTPStatus.PRECONDITION_REQUIRED,
            "precondition-required",
            "the request names no version: send If-Match with the ETag of GET, or If-None-Match: * to create",
        )
    text = header.strip()
    if text == "*" or "," in text:
        raise _unclear("If-Match takes one ETag, as GET gave it")
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        raise StaleWrite(_NO_VERSION)
    padded = text[1:-1] + "=" * (-(len(text) - 2) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise StaleWrite(_NO_VERSION) from error


def _unclear(detail: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, "invalid-request", detail)
