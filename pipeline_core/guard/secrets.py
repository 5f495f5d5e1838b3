"""Finds values that look like secrets, by well-known forms of credentials. Never returns what it found.

Most forms are detect-secrets' own, by `detectors`. This module has those that it lacks or cannot search in bounded
time. Only forms with few false alarms are listed. Secrets without a form are left to the hygiene check in the guest.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline_core.guard import keys
from pipeline_core.guard.findings import Finding
from pipeline_core.guard.rules import GuardRule

OVERLAP = 1024  # characters of one chunk that are looked at again with the next; the longest form is shorter
_REMEDY = "remove it and replace the secret where it is valid; an image holds no secrets, machines get them at run time"


class Form(Protocol):
    """One kind of secret; `what` says which, in words."""

    @property
    def what(self) -> str: ...

    def first(self, text: str, lowered: str) -> int | None:
        """Where the first one begins in a text, given also in lower case."""

    def spans(self, text: str, lowered: str) -> Iterator[tuple[int, int]]:
        """Where each begins and ends. The secret may go on after the end: a form has as much as proves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A form of ours; `hint` is in every match, in lower case: a cheap look before the expensive one."""

    what: str
    hint: str
    pattern: re.Pattern[str]

    def first(self, text: str, lowered: str) -> int | None:
        """Where the first match begins."""
        return next((start for start, _ in self.spans(text, lowered)), None)

    def spans(self, text: str, lowered: str) -> Iterator[tuple[int, int]]:
        """Begin and end of each match."""
        return (found.span() for found in self.pattern.finditer(text)) if self.hint in lowered else iter(())


def _shape(what: str, hint: str, pattern: str) -> Shape:
    return Shape(what=what, hint=hint, pattern=re.compile(pattern, re.ASCII))


# Every repetition is bounded, so that no text takes more than linear time. The characters before a form are checked
# after its first letters were found, which is several times as fast.
OWN_KEY_FORMS: tuple[Form, ...] = (
    _shape("an encrypted private key", "encrypted private key", keys.ENCRYPTED),
)
OWN_FORMS: tuple[Form, ...] = (
    _shape(
        "an AWS secret key",
        "secret",
        r"(?i:aws_?secret_?(?:access_?)?key)[\"']?\s{0,4}[:=]\s{0,4}[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    ),
    _shape("an Azure access key", "sharedaccesskey", r"(?i:SharedAccessKey)=[A-Za-z0-9+/]{40,90}="),
    _shape("a shared access signature", "sig=", r"[?&;]sig=[A-Za-z0-9%+/_-]{40,100}(?:%3[dD]|=)"),
    _shape("an Entra client secret", "q~", r"Q~(?<=[A-Za-z0-9_~.-]{3}[78]Q~)[A-Za-z0-9_~.-]{31,34}"),
    _shape("a GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _shape("a Vault token", "hv", r"hv[sb]\.(?<![A-Za-z0-9]hv[sb]\.)[A-Za-z0-9_-]{24}"),
    _shape("a Google key", "aiza", r"AIza(?<![A-Za-z0-9]AIza)[A-Za-z0-9_-]{35}"),
    _shape("an npm token", "npm_", r"npm_(?<![A-Za-z0-9]npm_)[A-Za-z0-9]{36}"),
    _shape(
        "a signed token (JWT)",
        "eyj",
        r"eyJ(?<![A-Za-z0-9]eyJ)[A-Za-z0-9_-]{10,400}\.eyJ[A-Za-z0-9_-]{10,400}\.[A-Za-z0-9_-]{20}",
    ),
    _shape(  # detect-secrets skips passwords with signs like $ and !
        "an address with a password",
        "://",
        r"://(?<=[a-z0-9+]://)[A-Za-z0-9._%+-]{1,64}:(?![$<{*])[A-Za-z0-9._~%+-]{0,50}"
        r"[$!&'()*,;=][^\s/@:<>{}\"'`]{2,50}@[A-Za-z0-9]",
    ),
)
# What a variable, an argument or a header is called that holds a secret; a log hides what follows it.
CREDENTIAL_WORDS = (
    r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|(?:API|ACCESS|PRIVATE|SECRET)[_-]?KEY)"
)
_SECRET_NAME = re.compile(rf"(?:^|_){CREDENTIAL_WORDS}$", re.ASCII | re.IGNORECASE)


def kinds_in(text: str, forms: Sequence[Form]) -> frozenset[str]:
    """What the text seems to hold, in words."""
    lowered = text.lower()
    return frozenset(form.what for form in forms if form.first(text, lowered) is not None)


class FileScan:
    """Looks through one file that comes in chunks, in bounded memory."""

    def __init__(self, name: str, forms: Sequence[Form]) -> None:
        self._name = name
        self._forms = forms
        self._tail = ""
        self._lines = 0
        self._reported: set[str] = set()

    def look_at(self, chunk: bytes) -> Iterator[Finding]:
        """Findings of the next chunk; one per kind of secret."""
        # Every byte becomes a character: the forms are ASCII, and the other characters do not matter.
        text = self._tail + chunk.decode("latin-1")
        lowered = text.lower()
        for form in self._forms:
            start = None if form.what in self._reported else form.first(text, lowered)
            if start is None:
                continue
            self._reported.add(form.what)
            line = self._lines + text.count("\n", 0, start) + 1
            yield Finding(
                rule=GuardRule.SECRET,
                place=f"{self._name}:{line}",
                message=f"seems to hold {form.what}",
                remedy=_REMEDY,
            )
        keep = max(0, len(text) - OVERLAP)
        self._lines += text.count("\n", 0, keep)
        self._tail = text[keep:]


def findings_in_texts(texts: Iterable[tuple[str, str]], forms: Sequence[Form]) -> Iterator[Finding]:
    """Findings in (place, value) pairs of a document."""
    for place, value in texts:
        for what in sorted(kinds_in(value, forms)):
            yield Finding(rule=GuardRule.SECRET, place=place, message=f"seems to hold {what}", remedy=_REMEDY)


def is_secret_name(name: str) -> bool:
    """True for names of variables that hold a secret by their name, like `DB_PASSWORD`."""
    return _SECRET_NAME.search(name) is not None
