"""Azure's error codes, and how a code is found in an answer or in a text. The rows are in `azure_code_table`.

Adapters, builder and emulator ask this one table, so that one code has one meaning. This module must not decide
what to do about an error: `domain.retry` does.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline_core.domain.azure_code import AzureCode, Occasion
from pipeline_core.domain.azure_code_table import ROWS
from pipeline_core.domain.errors import ErrorClass

_MESSAGE = 600  # characters after a code in a text that can be its message
# `Code="X"`, `"code": "X"`, `\"code\":\"X\"`, `Code: X`, then `X: message`, `X : message`, and last the bare code.
_MENTION = re.compile(
    r"""(?P<named>\b(?:[Ee]rror)?[Cc]ode\\*["']?\s?[=:]\s?\\*["']?)?"""
    r"""\b(?P<code>[A-Z][A-Za-z]+\d*)\b(?P<said>\\*["']?\s?:(?=\s))?"""
)
# What no word of English has: a capital letter after a small one, or a number at the end.
_HUMP = re.compile(r"[a-z][A-Z]|\d$")


def _by_code(rows: Iterable[AzureCode]) -> Mapping[str, tuple[AzureCode, ...]]:
    """Rows by code in lower case, those with conditions first."""
    found: dict[str, list[AzureCode]] = {}
    for row in sorted(rows, key=lambda row: (not row.words, row.occasion is None)):
        found.setdefault(row.code.lower(), []).append(row)
    return {code: tuple(same) for code, same in found.items()}


_EXACT = _by_code(row for row in ROWS if "*" not in row.code)
_PATTERNS = tuple(row for row in ROWS if "*" in row.code)
ANY_PLAN = "--urn PUBLISHER:OFFER:SKU:VERSION"  # a caller that knows the plan puts its names here
_REMEDIES = {
    ErrorClass.TERMS: "accept the terms of the plan in the subscription of the builds:"
    f" az vm image terms accept {ANY_PLAN}",
    ErrorClass.AZURE_POLICY: "give the tags that the policy demands in FACTORY_RESOURCE_TAGS,"
    " or exempt the groups of the factory from the policy",
}


def find(code: str, message: str, occasion: Occasion) -> AzureCode | None:
    """The row of `code`, or None if the table does not know it. Letter case does not count.

    A row whose words are in the message comes before a row without words.
    """
    said = message.lower()
    return next((row for row in _rows_of(code.lower()) if row.holds(said, occasion)), None)


def find_in_text(text: str, occasion: Occasion) -> AzureCode | None:
    """The known code that says most about the cause in a text: a log, a deployment's error, a container's event.

    A code that only wraps others, such as DeploymentFailed, never decides: the code inside does. A vague code, such as
    BadRequest, decides only if no other code stands in the text. Of several codes in one answer the innermost decides,
    and of several answers the first, because what follows is often only a consequence.
    """
    best: _Mention | None = None
    for mention in _mentions(text, occasion):
        if best is None or mention.weight > best.weight or mention.is_inside(best):
            best = mention
    return None if best is None or best.row.error_class is None else best.row


def is_known(code: str) -> bool:
    """True where at least one row is about this code."""
    return bool(_rows_of(code.lower()))


def remedy_of(error_class: ErrorClass) -> str:
    """What a person does about an error of this class, or an empty text if its message has to say it."""
    return _REMEDIES.get(error_class, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mention:
    """One code in a text. `line` and `depth` (open braces before it in its line) say where."""

    row: AzureCode
    line: int
    depth: int

    @property
    def weight(self) -> int:
        """How much the code says: 0 for a wrapper, 1 for a vague code, 2 for any other."""
        return 0 if self.row.error_class is None else 2 - self.row.is_vague

    def is_inside(self, other: "_Mention") -> bool:
        """True where this code is named in the answer of the other, deeper, and says no less."""
        return self.line == other.line and self.depth > other.depth and self.weight == other.weight


def _mentions(text: str, occasion: Occasion) -> Iterator[_Mention]:
    for number, line in enumerate(lines := text.splitlines()):
        for found in _MENTION.finditer(line):
            if not (found["named"] or found["said"] or _HUMP.search(found["code"])):
                continue  # a bare word of English
            rest = line[found.end() :]
            if not rest.strip(" \"'\\,:") and number + 1 < len(lines):
                rest = lines[number + 1]  # `Code: X`, and its message in the next line
            row = find(found["code"], rest[:_MESSAGE], occasion)
            if row is not None:
                before = line[: found.start()]
                yield _Mention(row=row, line=number, depth=before.count("{") - before.count("}"))


def _rows_of(code: str) -> tuple[AzureCode, ...]:
    """All rows of a code in lower case, those with conditions first. Rows of the code itself come before patterns."""
    return _EXACT.get(code) or tuple(row for row in _PATTERNS if row.fits(code))
