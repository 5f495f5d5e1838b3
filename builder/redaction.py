"""What may be seen of a log line: no control sequence, no secret-looking value, no endless line. Pure but for
the one thing it remembers: whether the lines that follow belong to a private key."""

import re
from collections.abc import Iterable

LINE_LIMIT = 8 * 1024  # characters

_HIDDEN = "[redacted]"
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----")
_KEY_LINES = 400  # a key without an end hides no more than this
# Each pattern keeps its first group (the name of the thing) and hides the rest.
_SECRETS = (
    re.compile(r"()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),  # JSON Web Tokens
    re.compile(r"(?i)(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)\s+)[^\s\"',;]+"),
    re.compile(r"(?i)(\bbearer\s+)[A-Za-z0-9._~+/-]{16,}=*"),
    re.compile(r"(?i)([?&;]sig=)[^&\s\"']+"),  # shared access signatures
    re.compile(r"(?i)(\b(?:AccountKey|SharedAccessKey|SharedAccessSignature)=)[^;\s\"']+"),
    re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{1,15}://[^\s/:@]{0,128}:)[^\s/@]+(?=@)"),  # user:password@host
    re.compile(r"()\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),  # AWS
    re.compile(r"()\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    re.compile(r"()\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),  # Slack
    re.compile(r"()\bhvs\.[A-Za-z0-9_-]{20,}"),  # Vault
    re.compile(
        r"(?i)([a-z0-9_.-]{0,64}(?:password|passwd|secret|api[_-]?key|access[_-]?key|access[_-]?token"
        r"|private[_-]?key|client[_-]?secret|auth[_-]?token)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&]{3,}"
    ),
)


class Redactor:
    """Cleans the lines of one stream, in order. `values` are secrets of this very run, hidden wherever they
    stand."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = tuple(value for value in values if len(value) >= 8)
        self._key_lines = 0

    def clean(self, line: str) -> str:
        """The line as it may be kept and shown."""
        text = _CONTROLS.sub(" ", _SEQUENCES.sub("", line[: 4 * LINE_LIMIT].rstrip("\r\n")))
        if len(text) > LINE_LIMIT or len(line) > 4 * LINE_LIMIT:
            text = text[:LINE_LIMIT] + " [line cut]"
        hidden = self._without_key(text)
        for value in self._values:
            hidden = hidden.replace(value, _HIDDEN)
        for pattern in _SECRETS:
            hidden = pattern.sub(rf"\g<1>{_HIDDEN}", hidden)
        return hidden

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
