"""Cleans log lines: no control sequence, no value that looks like a secret, no endless line.

It does no I/O. It has one state: whether the next lines belong to a private key.
"""

import functools
import re
from collections.abc import Iterable, Sequence

from builder.log.named_secrets import HIDDEN, NAMED_SECRETS
from pipeline_core.domain import texts
from pipeline_core.guard import detectors, keys
from pipeline_core.guard.secrets import Form

LINE_LIMIT = 8 * 1024  # characters that are shown

_LOOK_LIMIT = 2 * LINE_LIMIT  # characters that are searched: a secret is hidden before the line is cut
_MARGIN = 2 * 1024  # longer than every form of a secret
_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]?"
)
_KEY_LINES = 400  # lines after a key's header that may belong to it; the longest keys have 300
_SHORT_LINES = 2  # the last line of a key, and a checksum after it, may be short
# What stands before a line of a key: Packer's own prefix, and what a script or a diff puts there. Only quotes and an
# escaped line end stand after it. A line with several words is not one.
_KEY_TEXT = re.compile(
    r"((?:\S{1,40}: )?(?:==> )?(?:\s{0,80}[\w.-]{1,80}: )?[\s>|+\"'#-]{0,80})"
    r"([A-Za-z0-9+/=]+)"
    r"((?:\\[rn]){0,4}[\"',;+\s]{0,8})"
)
_FRAME = re.compile(f"{keys.HEADER.pattern}|{keys.END.pattern}")
_TOKEN = re.compile(r"[A-Za-z0-9+/=_~.%-]*")  # a secret goes on to the end of its word
# Lines that are searched together. A group with a hit is searched again in smaller groups.
_GROUPS = (64, 8)


def _printable(text: str) -> str:
    """Tabs stay. A character that moves a cursor, turns the direction of a text or is invisible becomes a space."""
    return texts.cleaned(text, keeping="\t")


@functools.cache
def _forms() -> tuple[Form, ...]:
    """The guard's own forms: a secret that is refused in a bundle is hidden in a log."""
    return detectors.line_forms()


class Redactor:
    """Cleans the lines of one stream, in order. `values` are secrets of this run, which are hidden everywhere."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = tuple(value for value in values if len(value) >= 8)
        self._margin = max([_MARGIN, *map(len, self._values)])
        self._key_lines = 0  # lines that may still belong to a key
        self._short_lines = 0  # of these, short lines directly after a hidden one

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
        lowered = f" {text.lower()}"
        return not (
            keys.HEADER.search(text)
            or any(named.is_in(text, lowered) for named in NAMED_SECRETS)
            or any(form.first(text, lowered) is not None for form in _forms())
            or any(value in text for value in self._values)
        )

    def clean(self, line: str) -> str:
        """The line as it may be kept and shown."""
        text = _printable(_SEQUENCES.sub("", line[:_LOOK_LIMIT].rstrip("\r\n")))
        hidden = self._without_key(text)
        for value in self._values:
            hidden = hidden.replace(value, HIDDEN)
        lowered = f" {hidden.lower()}"
        for named in NAMED_SECRETS:
            if any(word in lowered for word in named.words):
                hidden = named.hide(hidden)
        hidden = _without_forms(hidden)
        if len(line) > _LOOK_LIMIT:
            hidden = hidden[: -self._margin]  # the cut may hide what a secret is: the rest is not shown
        elif len(hidden) <= LINE_LIMIT:
            return hidden
        return hidden[:LINE_LIMIT] + " [line cut]"

    def _without_key(self, text: str) -> str:
        """Hide the text of a private key, also over several lines. Header and end stay: they show what was hidden."""
        kept: list[str] = []
        while text:
            mark = (_FRAME if self._key_lines else keys.HEADER).search(text)
            before, text = (text[: mark.start()], text[mark.end() :]) if mark else (text, "")
            kept.append(self._without_line(before) if self._key_lines and (before or not mark) else before)
            if mark is None:
                break
            kept.append(mark[0])
            self._key_lines = self._short_lines = 0
            if keys.HEADER.fullmatch(mark[0]):
                inside, text = self._begun(text)
                kept.append(inside)
        return "".join(kept)

    def _begun(self, text: str) -> tuple[str, str]:
        """What stands on the line of a header: up to the key's end or the next header, cleaned; and the rest."""
        mark = _FRAME.search(text)
        if mark is None:
            self._key_lines = _KEY_LINES
            return keys.RUN.sub(HIDDEN, text), ""
        inside, rest = text[: mark.start()], text[mark.start() :]
        is_key = keys.RUN.search(inside) is not None
        return HIDDEN if is_key else inside, rest

    def _without_line(self, text: str) -> str:
        """A line after a key's header. Only what looks like a key's text is hidden; any other line is shown whole."""
        self._key_lines -= 1
        found = _KEY_TEXT.fullmatch(text)
        if found is None:
            self._short_lines = 0
            return text
        if keys.RUN.match(found[2]):
            self._short_lines = _SHORT_LINES
        elif self._short_lines:
            self._short_lines -= 1
        else:
            return text
        return f"{found[1]}{HIDDEN}{found[3]}"


def _without_forms(text: str) -> str:
    """Hide what has the form of a secret, to the end of its word."""
    lowered = text.lower()
    spans = sorted(span for form in _forms() for span in form.spans(text, lowered))
    kept: list[str] = []
    position = 0
    for start, end in spans:
        if start >= position:
            kept += (text[position:start], HIDDEN)
        word = _TOKEN.match(text, max(end, position))
        position = max(position, end, word.end() if word else 0)
    return "".join((*kept, text[position:]))
