"""The forms of cursors: the key behind which the next page of a list begins. Pure.

A cursor is a place and not a row: what stood there may be gone, and the page goes on. A text of another form is no
place. A store would give an empty page for it, which looks like the end of the list.
"""

import re
from enum import Enum, unique

from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.names import WORDS, ImageName

RULE = "`next` of the page before as it is, or nothing for the first page"
# `TEAM--HASH`, or `HASH` alone: an id of a receiver. A team's name has at most 63 characters, so the id at most 81.
RECEIVER = rf"(?:{WORDS}--)?[0-9a-f]{{16}}(?<!.{{82}})"
_STEP = rf"(?![^/]{{64}}){WORDS}"  # a name in a path
_TIME = "[0-9]{8}T[0-9]{12}"
_NEWEST_FIRST = "[6-9a-f]{8}T[6-9a-f]{12}"  # a time whose digits are inverted


@unique
class CursorForm(Enum):
    """What a cursor is made of, by list. Keys of older releases are among them."""

    IMAGE = ImageName.pattern.pattern  # lists of images: a name
    RECEIVER = RECEIVER  # receivers: an id
    LINEAGE = rf"{_STEP}(?:/{_STEP}){{0,15}}"  # the lineage: names from a root down, one for each level
    ENTRY = rf"{_TIME}-[0-9A-Za-z.-]{{1,100}}"  # a journal: the time and the nonce of an entry
    BUILD = rf"(old-)?{_NEWEST_FIRST}-[0-9a-z.-]{{1,90}}"  # ended builds: the time and the id of a build, inverted
    POISON = rf"([0-9]{{17}}|{_TIME})-[0-9A-Za-z-]{{1,40}}"  # poison: the key of a record
    APPROVAL = r"[a-z][a-z0-9]*(-[a-z0-9]+)*:[a-z][a-z0-9]*(-[a-z0-9]+)*"  # approvals: a team and a parent
    REVISION = "[1-9][0-9]{0,8}"  # versions of the policy: the number of one
    UNREADABLE = (
        r"[A-Za-z][A-Za-z0-9]{2,62}:.{1,640}:[0-9a-f]{16}"  # unreadable rows: the place, and a digest
    )

    @property
    def pattern(self) -> re.Pattern[str]:
        """Of every cursor of the list but the empty one."""
        return re.compile(self.value, re.ASCII | re.DOTALL)

    def checked(self, text: str) -> str:
        """The same text; empty for the first page. Raises InvalidValue for another form."""
        if text and not self.pattern.fullmatch(text):
            raise InvalidValue("a cursor of this list", text, RULE)
        return text
