"""Finds values that look like secrets, by well-known forms of credentials. Never gives back what it found.

A table of its own: detect-secrets takes half a millisecond a line, and its entropy rules object to harmless
shell lines, which a team cannot act on. Forms with few false alarms are listed; what has no form is left to the
hygiene check in the guest.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline_core.guard.findings import Finding

OVERLAP = 1024  # bytes of one chunk that are looked at again with the next; the longest form is shorter
_REMEDY = (
    "remove it and change it where it is valid; an image holds no secrets, machines get theirs at run time"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """`hint` is a text that every match holds, in lower case: a cheap look before the expensive one."""

    what: str
    hint: bytes
    pattern: re.Pattern[bytes]


def _form(what: str, hint: str, pattern: str) -> _Form:
    return _Form(what=what, hint=hint.encode(), pattern=re.compile(pattern.encode(), re.ASCII))


_FORMS = (
    # A header alone is what a script that looks for keys holds; a key has its text after it.
    _form(
        "a private key",
        "private key",
        r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\r|\\n){1,8}"
        r"(?:[A-Z][A-Za-z-]{3,20}: |[A-Za-z0-9+/=]{16})",
    ),
    _form(
        "an AWS access key", "ia", r"(?<![A-Z0-9])(?:AKIA|ASIA)(?![A-Z0-9]{9}EXAMPLE)[A-Z0-9]{16}(?![A-Z0-9])"
    ),
    _form(
        "an AWS secret key",
        "secret",
        r"(?i:aws_?secret_?access_?key)[\"']?\s{0,4}[:=]\s{0,4}[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    ),
    _form("an Azure storage key", "accountkey", r"(?i:AccountKey)=[A-Za-z0-9+/]{80,90}=="),
    _form("an Azure access key", "sharedaccesskey", r"(?i:SharedAccessKey)=[A-Za-z0-9+/]{40,90}="),
    _form("a shared access signature", "sig=", r"[?&;]sig=[A-Za-z0-9%/+_-]{40,100}(?:%3[dD]|=)"),
    _form(
        "an Entra client secret", "q~", r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}"
    ),
    _form("a GitHub token", "gh", r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{36,255}"),
    _form("a GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _form("a GitLab token", "glpat-", r"glpat-[A-Za-z0-9_-]{20,64}"),
    _form("a Slack token", "xox", r"(?<![A-Za-z0-9])xox[abeoprs]-[0-9]{6,}-[A-Za-z0-9-]{10,}"),
    _form("a Vault token", "hvs.", r"(?<![A-Za-z0-9])hvs\.[A-Za-z0-9_-]{24,}"),
    _form("a Google key", "aiza", r"(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}"),
    _form("an npm token", "npm_", r"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}"),
    _form("a PyPI token", "pypi-", r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    _form(
        "a signed token (JWT)",
        "eyj",
        r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{10,400}\.eyJ[A-Za-z0-9_-]{10,400}\.[A-Za-z0-9_-]{20,}",
    ),
    _form(
        "an address with a password",
        "://",
        r"(?<![A-Za-z])[a-z][a-z0-9+]{1,12}://[A-Za-z0-9._%+-]{1,64}:(?![$<{*]|(?i:password|changeme|example)@)"
        r"[^\s/@:$<>{}\"'`]{4,100}@[A-Za-z0-9]",
    ),
)
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|(?:API|ACCESS|PRIVATE|SECRET)_?KEY)$",
    re.ASCII | re.IGNORECASE,
)


def kinds_in(text: bytes) -> frozenset[str]:
    """What the text seems to hold, in words."""
    lowered = text.lower()
    return frozenset(form.what for form in _FORMS if form.hint in lowered and form.pattern.search(text))


class FileScan:
    """Looks through one file that comes in chunks, in bounded memory."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tail = b""
        self._lines = 0
        self._told: set[str] = set()

    def look_at(self, chunk: bytes) -> Iterator[Finding]:
        """Findings of the next chunk; one per kind of secret."""
        text = self._tail + chunk
        lowered = text.lower()
        for form in _FORMS:
            found = form.pattern.search(text) if form.hint in lowered else None
            if found is None or form.what in self._told:
                continue
            self._told.add(form.what)
            line = self._lines + text.count(b"\n", 0, found.start()) + 1
            yield Finding(
                rule="secret",
                place=f"{self._name}:{line}",
                message=f"seems to hold {form.what}",
                remedy=_REMEDY,
            )
        keep = max(0, len(text) - OVERLAP)
        self._lines += text.count(b"\n", 0, keep)
        self._tail = text[keep:]


def findings_in_texts(texts: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """Findings in (place, value) pairs of a document."""
    for place, value in texts:
        for what in sorted(kinds_in(value.encode(errors="replace"))):
            yield Finding(rule="secret", place=place, message=f"seems to hold {what}", remedy=_REMEDY)


def is_secret_name(name: str) -> bool:
    """True for names of variables that hold a secret by their very name, like `DB_PASSWORD`."""
    return _SECRET_NAME.search(name) is not None
