"""The forms of cursors: the key behind which the next page of a list begins. Pure.

A cursor is a place and not a row: what stood there may be gone, and the page goes on. A text of another form is no
place. A store would give an empty page for it, which looks like the end of the list.
"""

import re
from enum import Enum, unique

from pipeline_core.domain.errors import InvalidValue

RULE = "`next` of the page before as it is, or nothing for the first page"
_TIME = "[0-9]{8}T[0-9]{12}"
_NEWEST_FIRST = "[6-9a-f]{8}T[6-9a-f]{12}"  # a time whose digits are inverted


@unique
class CursorForm(Enum):
    """What a cursor is made of, by list. Keys of older releases are among them."""

    IMAGE = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"  # lists of images: a name
    RECEIVER = r"([a-z][a-z0-9]*(-[a-z0-9]+)*--)?[0-9a-f]{16}"  # receivers: an id
    ENTRY = rf"{_TIME}-[0-9A-Za-z.-]{{1,100}}"  # a journal: the time and the nonce of an entry
    BUILD = rf"(old-)?{_NEWEST_FIRST}-[0-9a-z.-]{{1,90}}"  # ended builds: the time and the id of a build, inverted
    POISON = rf"([0-9]{{17}}|{_TIME})-[0-9A-Za-z-]{{1,40}}"  # poison: the key of a record
    APPROVAL = r"[a-z][a-z0-9]*(-[a-z0-9]+)*:[a-z][a-z0-9]*(-[a-z0-9]+)*"  # approvals: a team and a parent
    REVISION = "[1-9][0-9]{0,8}"  # versions of the policy: the number of one
    UNREADABLE = (
        r"[A-Za-z][A-Za-z0-9]{2,62}:.{1,640}:[0-9a-f]{16}"  # unreadable rows: the place, and a digest
    )

    def checked(self, text: str) -> str:
        """The same text; empty for the first page. Raises InvalidValue for another form."""
        if text and not re.fullmatch(self.value, text, re.ASCII | re.DOTALL):
            raise InvalidValue("a cursor of this list", text, RULE)
        return text
