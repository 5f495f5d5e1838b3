"""Cleans log lines: no control sequence, no value that looks like a secret, no endless line.

It does no I/O. It has one state: whether the next lines belong to a private key.
"""

import re
from collections.abc import Iterable, Sequence

LINE_LIMIT = 8 * 1024  # characters that are shown

_LOOK_LIMIT = 2 * LINE_LIMIT  # characters that are searched: a secret is hidden before the line is cut
_MARGIN = 2 * 1024  # longer than every form of a secret
_HIDDEN = "[redacted]"
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]?"
)
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")
_KEY_LINES = 400  # lines: a key without an end hides no more than these
# Each pattern keeps its first group (the name of the secret) and hides the rest. It is tried only if one of its
# words is in the line, in lower case. Most lines have none of the words, and logs are long.
_SECRETS = (
    (("eyj",), re.compile(r"()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")),  # JSON Web Tokens
    (
        ("authorization",),
        re.compile(r"(?i)(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s+)[^\s\"',;]+"),
    ),
    (("bearer",), re.compile(r"(?i)(\bbearer\s+)[A-Za-z0-9._~+/-]{16,}=*")),
    (("sig=",), re.compile(r"(?i)([?&;]sig=)[^&\s\"']+")),  # shared access signatures
    (
        ("accountkey=", "sharedaccess"),
        re.compile(r"(?i)(\b(?:AccountKey|SharedAccessKey|SharedAccessSignature)=)[^;\s\"']+"),
    ),
    # passwords in addresses
    (("://",), re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{1,15}://[^\s/:@]{0,128}:)[^\s/@]+(?=@)")),
    (("akia", "asia"), re.compile(r"()\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),  # AWS
    (("gh", "github_pat_"), re.compile(r"()\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})")),
    (("xox",), re.compile(r"()\bxox[abeoprs]-[A-Za-z0-9-]{10,}")),  # Slack
    (("hvs.",), re.compile(r"()\bhvs\.[A-Za-z0-9_-]{20,}")),  # Vault
    (
        ("password", "passwd", "secret", "key", "token"),
        re.compile(
            r"(?i)((?:password|passwd|secret|api[_-]?key|access[_-]?key|access[_-]?token"
            r"|private[_-]?key|client[_-]?secret|auth[_-]?token)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&]{3,}"
        ),
    ),
)
_WORDS = ("-----begin", *(word for words, _ in _SECRETS for word in words))
# Lines that are searched together. A group with a hit is searched again in smaller groups.
_GROUPS = (64, 8)


def _printable(text: str) -> str:
    """Tabs stay. A character that moves a cursor, turns the direction of a text or is invisible becomes a space."""
    if text.isprintable():
        return text
    return "".join(letter if letter == "\t" or letter.isprintable() else " " for letter in text)


class Redactor:
    """Cleans the lines of one stream, in order. `values` are secrets of this run, which are hidden everywhere."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = tuple(value for value in values if len(value) >= 8)
        self._margin = max([_MARGIN, *map(len, self._values)])
        self._key_lines = 0

    def clean_all(self, lines: Sequence[str]) -> list[str]:
        """The lines as `clean` gives them. Many short lines without a secret take much less time here."""
        return self._cleaned(lines, _GROUPS)

    def _cleaned(self, lines: Sequence[str], sizes: Sequence[int]) -> list[str]:
        if not sizes:
            return [self.clean(line) for line in lines]
        size, *smaller = sizes
        cleaned: list[str] = []
        for start in range(0, len(lines), size):
            group = [line.rstrip("\r\n") for line in lines[start : start + size]]
            cleaned += group if self._is_harmless(group) else self._cleaned(group, smaller)
        return cleaned

    def _is_harmless(self, lines: Sequence[str]) -> bool:
        text = "\t".join(lines)
        if self._key_lines or len(text) > LINE_LIMIT or not text.replace("\t", " ").isprintable():
            return False
        lowered = text.lower()
        return not any(word in lowered for word in _WORDS) and not any(
            value in text for value in self._values
        )

    def clean(self, line: str) -> str:
        """The line as it may be kept and shown."""
        text = _printable(_SEQUENCES.sub("", line[:_LOOK_LIMIT].rstrip("\r\n")))
        hidden = self._without_key(text)
        for value in self._values:
            hidden = hidden.replace(value, _HIDDEN)
        lowered = hidden.lower()
        for words, pattern in _SECRETS:
            if any(word in lowered for word in words):
                hidden = pattern.sub(rf"\g<1>{_HIDDEN}", hidden)
        if len(line) > _LOOK_LIMIT:
            hidden = hidden[: -self._margin]  # the cut may hide what a secret is: the rest is not shown
        elif len(hidden) <= LINE_LIMIT:
            return hidden
        return hidden[:LINE_LIMIT] + " [line cut]"

    def _without_key(self, text: str) -> str:
        """Hide a private key block, also over several lines."""
        if self._key_lines == 0:
            begin = _KEY_BEGIN.search(text)
            if begin is None:
                return text
            end = _KEY_END.search(text, begin.end())
            self._key_lines = 0 if end else _KEY_LINES
            return f"{text[: begin.start()]}{_HIDDEN}{text[end.end() :] if end else ''}"
        end = _KEY_END.search(text)
        self._key_lines = 0 if end else self._key_lines - 1
        return f"{_HIDDEN}{text[end.end() :] if end else ''}"
