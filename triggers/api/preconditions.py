"""ETags and the preconditions of a change, so that two editors cannot overwrite each other.

A table's own ETag holds quotes and a weakness mark. Over HTTP it is a strong, opaque text.
"""

import base64
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Header
from pydantic import WithJsonSchema

from pipeline_core.domain.errors import StaleWrite
from triggers.api.forms import ecma
from triggers.api.problem import Refusal

# What `quoted` gives: base64 for addresses, without padding. Any other text is the ETag of no version.
ETAG = re.compile('"(?:[A-Za-z0-9_-]{4}){0,100}(?:[A-Za-z0-9_-]{2,3})?"')
_NEW = re.compile("[*]")

_NO_VERSION = "If-Match names no version of what is changed: take the ETag of GET as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """Either `create_only`, or the `expected` version of what is changed."""

    expected: str | None
    create_only: bool


IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="The ETag of the version that is changed, as GET gave it"),
    WithJsonSchema(ecma.form_of(ETAG).schema()),
]
IfNoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", description="*: create what does not exist yet"),
    WithJsonSchema(ecma.form_of(_NEW).schema()),
]


def quoted(etag: str) -> str:
    """The value of an `ETag` header."""
    return '"' + base64.urlsafe_b64encode(etag.encode()).decode().rstrip("=") + '"'


def precondition_of(expected: IfMatch = None, absent: IfNoneMatch = None) -> Precondition:
    """The precondition of a PUT; raises a 428 where there is none, and a 400 where it is not clear."""
    if expected is not None and absent is not None:
        raise _unclear("If-Match and If-None-Match exclude each other: send one")
    if absent is not None:
        if not _NEW.fullmatch(absent.strip()):
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
    if not ETAG.fullmatch(text):
        raise StaleWrite(_NO_VERSION)
    padded = text[1:-1] + "=" * (-(len(text) - 2) % 4)
    return base64.urlsafe_b64decode(padded).decode(errors="replace")  # other bytes are the ETag of no version


def _unclear(detail: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, "invalid-request", detail)
