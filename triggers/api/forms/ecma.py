"""Says a regular expression of this code in the words of ECMA 262, as OpenAPI demands. Knows no field and no route.

Python and ECMA 262 read the same signs differently in places: `.` leaves out one line end in Python and four in
ECMA 262, `\\s` knows other blanks, and a `$` of Python also stands before a last line end. So only the signs that are
listed here are taken, each with its meaning in both. Another one is an error, when the app is made.
"""

import re
from dataclasses import dataclass

from pipeline_core.domain import texts

# At the end of a pattern of ours: at most so many characters. ECMA 262 could say it too, but JSON Schema has a word.
_AT_MOST = re.compile(r"\(\?<!\.\{([0-9]+)\}\)\Z")
_TOKEN = re.compile(
    r"""
    (?P<class>\[\^?(?:[!-,.-Z^-~]|-(?=\])|[!-Z^-~]-[!-Z^-~])+\])  # letters and ranges in plain ASCII, no escape
    | (?P<escape>\\[.])                            # an escaped dot
    | (?P<group>\((?:\?[:!=]|(?!\?))|\)|\|)         # groups, looks ahead, alternatives
    | (?P<count>(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\})(?![*+?]))  # greedy counts
    | (?P<any>\.)
    | (?P<letter>[A-Za-z0-9:/"~!@%&_,;=<>-])      # stands for itself in both
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextForm:
    """A whole text has this form where `pattern` is found in it and it has at most `most` characters (None: any)."""

    pattern: str
    most: int | None

    def schema(self) -> dict[str, str | int]:
        """As a JSON schema."""
        made: dict[str, str | int] = {"type": "string", "pattern": self.pattern}
        return made if self.most is None else {**made, "maxLength": self.most}


def visible(*, most: int, is_blank_allowed: bool) -> TextForm:
    """Texts without a hidden character, and, where a blank one is not allowed, with one that is not a blank.

    Categories of characters are written as ECMA 262 writes them with the flag `u`. Of the blanks that Python strips
    only the category Zs is not hidden.
    """
    hidden = "".join(rf"\p{{{each}}}" for each in sorted(texts.HIDDEN))
    shown = rf"[^{hidden}]*"
    return TextForm(
        pattern=f"^{shown}$" if is_blank_allowed else rf"^{shown}[^{hidden}\p{{Zs}}]{shown}$", most=most
    )


def form_of(pattern: re.Pattern[str], *, or_empty: bool = False) -> TextForm:
    """The form of the texts that `pattern` matches as a whole, and with `or_empty` of the empty one.

    To be read with the flag `u`, as JSON Schema says. Raises ValueError for what is not translated.
    """
    if pattern.flags & ~(re.ASCII | re.UNICODE | re.DOTALL):
        raise ValueError(f"{pattern.pattern}: this flag is not translated")
    text, most = pattern.pattern, None
    if (found := _AT_MOST.search(text)) is not None:
        text, most = text[: found.start()], int(found[1]) - 1
    made, place = [], 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise ValueError(f"{pattern.pattern}: `{text[place:]}` is not translated to ECMA 262")
        made.append(_said(token, pattern))
        place = token.end()
    return TextForm(pattern=f"^(?:{''.join(made)}){'?' if or_empty else ''}$", most=most)


def _said(token: re.Match[str], pattern: re.Pattern[str]) -> str:
    if token.lastgroup != "any":
        return token[0]
    return r"[\s\S]" if pattern.flags & re.DOTALL else r"[^\n]"
