"""Which characters a text of a person, a team or another system may have, and how a text is shown without the others.

A control character moves a cursor or ends a line. A character of direction shows a text in another order than it has,
and an invisible one makes two texts look the same. Texts that people send are refused with these. All texts are
cleaned where they leave: for a page, a terminal, a log line and a message. Knows no place and no field.
"""

import re
import unicodedata

LINES = "\n\t"  # what a text of several lines may have beside letters

_ODD = re.compile(r"[^\x20-\x7e]")  # worth a look; most texts have none, or few
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, direction and invisible, half, line, paragraph


def find_hidden(text: str, *, keeping: str = "") -> str | None:
    """The first character that nobody sees as it is; None without one. Those in `keeping` are allowed."""
    odd = (found[0] for found in _ODD.finditer(text))
    return next((each for each in odd if each not in keeping and _is_hidden(each)), None)


def cleaned(text: str, *, keeping: str = "", instead: str = " ") -> str:
    """The text with `instead` for each hidden character. Those in `keeping` stay."""

    def shown(found: re.Match[str]) -> str:
        return instead if found[0] not in keeping and _is_hidden(found[0]) else found[0]

    return text if text.isprintable() else _ODD.sub(shown, text)


def _is_hidden(letter: str) -> bool:
    return unicodedata.category(letter) in HIDDEN
