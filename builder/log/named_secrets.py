"""Secrets in a line that are known by their place: after a name, an option, a header's name, or in an address.

What is known by its own form is the guard's (`pipeline_core/guard/detectors.py`). Each repetition is bounded, or stops
where the next try begins, so that a line takes linear time.
"""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline_core.guard.secrets import CREDENTIAL_WORDS

HIDDEN = "[redacted]"

# A value as a shell reads it: words and quoted texts without a gap. A quote without its end reaches to the line's end.
_WORD = r"""(?:"(?:\\.|[^"\\])*"?|'[^']*'?|\\.|[^\s"'\\,;&]|,(?=\S))+"""
_ESCAPED = r"""(?P<quote>\\{1,3}["'])(?:(?!(?P=quote)).)*"""  # in JSON within JSON
_VALUE = rf"(?:{_ESCAPED}|{_WORD})"
_NAME_WORDS = ("passw", "passphrase", "secret", "token", "credential", "key")
_USER_OPTIONS = r"(?:-u|--user|--proxy-user|-U)[ =]{0,8}"
_NUMBERS = r"(?!\d{1,10}:\d{1,10}(?:\s|$|[\"']))"  # ids of a user and a group


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSecret:
    """One place. A match's first group stays, and the rest is hidden. It holds one of `words`, in lower case."""

    words: Sequence[str]
    pattern: re.Pattern[str]
    is_real: Callable[[re.Match[str]], bool] = lambda _: True

    def is_in(self, text: str, lowered: str) -> bool:
        """Whether the text, given also in lower case, holds one."""
        return any(word in lowered for word in self.words) and any(
            self.is_real(found) for found in self.pattern.finditer(text)
        )

    def hide(self, text: str) -> str:
        """The text without the secrets."""
        return self.pattern.sub(
            lambda found: f"{found[1]}{HIDDEN}" if self.is_real(found) else found[0], text
        )


def _place(
    words: Sequence[str], pattern: str, is_real: Callable[[re.Match[str]], bool] | None = None
) -> NamedSecret:
    made = re.compile(pattern, re.IGNORECASE)
    return (
        NamedSecret(words=words, pattern=made)
        if is_real is None
        else NamedSecret(words=words, pattern=made, is_real=is_real)
    )


def _is_user_and_password(found: re.Match[str]) -> bool:
    """True if it is base64 of `user:password`; the word after `Basic` is often only a word."""
    text = found[2].rstrip("=")
    try:
        return b":" in base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_")
    except (binascii.Error, ValueError):
        return False


NAMED_SECRETS = (
    _place(
        ("authorization",),
        r"(authorization[\"']?\s{0,8}[:=]\s{0,8}[\"']?(?:[a-z][a-z0-9_-]{0,30}\s{1,8})?)[^\s\"',;]+",
    ),
    _place(("bearer",), r"(\bbearer\s{1,8})[a-z0-9._~+/-]{16,}=*"),
    _place(("basic",), r"(\bbasic\s{1,8})([a-z0-9+/_-]{6,4096}={0,2})", _is_user_and_password),
    _place(("sig=",), r"([?&;]sig=)[^&\s\"']+"),
    _place(
        ("accountkey=", "sharedaccess"),
        r"((?:AccountKey|SharedAccessKey|SharedAccessSignature)=)[^;\s\"']+",
    ),
    # To the last `@` before a slash: a password may hold one.
    _place(("://",), r"((?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,31}://[^\s/:@\"']{0,128}:)[^\s/]+(?=@)"),
    _place(
        _NAME_WORDS,
        rf"({CREDENTIAL_WORDS}\d{{0,3}}\\{{0,3}}[\"']?\]?\s{{0,8}}(?::=|=>|[:=]{{1,2}})\s{{0,8}}){_VALUE}",
    ),
    _place(
        _NAME_WORDS,
        rf"((?<![-\w])--?[a-z0-9_-]{{0,40}}{CREDENTIAL_WORDS}[\"']?,?\s{{1,8}}){_VALUE}",
    ),
    _place(
        (" -u", "\t-u", "'-u", '"-u', " --user", "\t--user", "--proxy-user"),
        rf"((?:^|(?<=[\s\"'])){_USER_OPTIONS}{_NUMBERS}[^\s:\"'/]{{1,128}}:)(?!//){_WORD}",
    ),
    _place(
        (" -u", "\t-u", "'-u", '"-u', " --user", "\t--user", "--proxy-user"),
        rf"((?:^|(?<=[\s\"'])){_USER_OPTIONS}(?P<quote>[\"']){_NUMBERS}[^\s:\"'/]{{1,128}}:)(?:(?!(?P=quote)).)+",
    ),
    # Signed tokens that are shorter or longer than the guard's form.
    _place(("eyj",), r"()(?<![a-z0-9_-])eyJ[a-z0-9_-]{8,}\.[a-z0-9_-]{8,}\.[a-z0-9_-]*"),
)
