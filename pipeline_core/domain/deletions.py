"""When the factory asks for the deletion of a container group: once, and again only after a long wait. Pure.

Azure may take minutes to delete a group, and it counts each request against a limit of its own (see `creations`).
So a look at a group that is being deleted must not ask again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

_FIRST = timedelta(minutes=5)  # much longer than a deletion takes; a request that was lost costs this wait
_LOOKS = 10  # of a build, where they are shorter than that
_LONGEST = timedelta(hours=1)


def is_due(asked: Sequence[datetime], now: datetime, look: timedelta) -> bool:
    """True where nobody has asked yet, or the group is still there long after the last request in `asked`.

    `look` is the time between two looks of a build. Ten of them are the first wait, five minutes at most; a request
    that was lost costs it. Each wait is twice as long as the one before, up to an hour. So a group that cannot be
    deleted costs few requests.
    """
    if not asked:
        return True
    wait = min(min(_FIRST, _LOOKS * look) * (1 << min(len(asked) - 1, 8)), _LONGEST)
    return now > max(asked) + wait
