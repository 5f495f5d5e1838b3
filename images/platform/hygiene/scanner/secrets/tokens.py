"""Finds tokens and keys of services by their form, if they are random enough to be real."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.secrets import published, signed_tokens
from scanner.secrets.likeness import is_made_up

# Not inside a longer word: other words end like the marks of AWS, GitHub and GitLab. No other shape needs this, and
# names such as `StorageAccountKey` end with a mark. The end of `\n` or `%3D` does not belong to a word.
_START = rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-F][0-9A-F])|(?<=\\u00[0-9a-f][0-9a-f]))"


@dataclass(frozen=True)
class Shape:
    """One kind of token. `grep` is for the first pass; `pattern` has the random part as its only group."""

    what: str
    grep: str
    pattern: re.Pattern[bytes]


@dataclass(frozen=True)
class SeenToken:
    """A token in a file that may be real."""

    start: int
    what: str


def _shape(what: str, grep: str, pattern: bytes, *, is_word: bool = False) -> Shape:
    return Shape(what=what, grep=grep, pattern=re.compile((_START if is_word else b"") + pattern))


SHAPES = (
    _shape(
        "an AWS key", "(AKIA|ASIA)[0-9A-Z]{16}", rb"(?:AKIA|ASIA)([0-9A-Z]{16})(?![0-9A-Za-z])", is_word=True
    ),
    _shape("a GitHub token", "gh[pousr]_[A-Za-z0-9]{36}", rb"gh[pousr]_([A-Za-z0-9]{36,255})", is_word=True),
    _shape(
        "a GitHub token",
        "github_pat_[A-Za-z0-9]{22}_",
        rb"github_pat_([A-Za-z0-9]{22}_[A-Za-z0-9]{0,59})",
        is_word=True,
    ),
    _shape("a Slack token", "xox[abprs]-[0-9A-Za-z-]{20}", rb"xox[abprs]-([0-9A-Za-z-]{20,250})"),
    _shape("a Vault token", r"hv[sb]\.[A-Za-z0-9_-]{24}", rb"hv[sb]\.([A-Za-z0-9_-]{24,300})"),
    _shape(
        "a key of an Azure service",
        "(AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40}",
        rb"(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,90}={0,2})",
    ),
    _shape(
        "a shared access signature",
        "[?&;]sig=[A-Za-z0-9%+/]{40}",
        rb"[?&;]sig=([A-Za-z0-9%+/]{40,100})",
    ),
    _shape(
        "a GitLab token",
        "gl(pat|dt|rt)-[0-9A-Za-z_-]{20}",
        rb"gl(?:pat|dt|rt)-([0-9A-Za-z_-]{20,60})",
        is_word=True,
    ),
    _shape("an npm token", "npm_[A-Za-z0-9]{36}", rb"npm_([A-Za-z0-9]{36})"),
    _shape(
        "an Entra client secret",
        r"[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31}",
        rb"([A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34})",
    ),
    _shape("a PyPI token", "pypi-AgE[A-Za-z0-9_-]{50}", rb"pypi-AgE([A-Za-z0-9_-]{50,200})"),
    _shape("a Stripe key", "[rs]k_live_[A-Za-z0-9]{24}", rb"[rs]k_live_([A-Za-z0-9]{24,120})"),
)
JWT_GREP = r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20}"
_JWT = re.compile(rb"(eyJ[A-Za-z0-9_-]{10,8000}\.eyJ[A-Za-z0-9_-]{10,16000}\.[A-Za-z0-9_-]{20,2000})")
GREP = (*(shape.grep for shape in SHAPES), JWT_GREP)


def find_tokens(data: bytes, *, now: float) -> Iterator[SeenToken]:
    """Every token in the bytes, or a mapping of a file, that may be real at the time `now` in seconds since 1970."""
    for shape in SHAPES:
        for found in shape.pattern.finditer(data):
            if not is_made_up(found[1]) and _digest(found[1]) not in published.TOKENS:
                yield SeenToken(start=found.start(), what=shape.what)
    for found in _JWT.finditer(data):
        if _digest(found[1]) not in published.TOKENS and signed_tokens.may_be_real(found[1], now=now):
            yield SeenToken(start=found.start(), what="a signed token (JWT)")


def _digest(value: bytes) -> str:
    return hashlib.sha256(value.rstrip(b"=")).hexdigest()
