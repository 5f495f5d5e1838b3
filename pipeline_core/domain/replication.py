"""When a copy to the live gallery is tried again, and to which regions. Pure.

A proven version is never built again because copying it failed. So a copy is tried for a week, with growing waits.
Regions that fail do not withhold the version from the others: it is copied without them, and they get it later.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

_FIRST = timedelta(minutes=2)
_LONGEST = timedelta(hours=4)
# After a week the quarantined version is older than its packages, and a new build has a better chance.
_DEADLINE = timedelta(days=7)


def wait_after(tries: int) -> timedelta:
    """The wait after this many failed copies, from 1: 2 minutes, then twice as long each time, up to 4 hours."""
    return min(_FIRST * (1 << min(tries - 1, 10)), _LONGEST)


def turn_after(tries: int) -> timedelta:
    """The wait before a region of a live version that has failed so often gets its next turn: 1 hour up to 4."""
    return wait_after(tries + 5)


def is_over(tries: int) -> bool:
    """True where the waits before this many failed copies are a week."""
    return sum((wait_after(number) for number in range(1, tries)), timedelta(0)) >= _DEADLINE


def region_key(name: str) -> str:
    """The name by which regions are compared: Azure writes `West Europe` and `westeurope`."""
    return "".join(name.split()).lower()


def to_leave_out(wanted: Sequence[str], failed: Collection[str], home: str) -> tuple[str, ...]:
    """The regions without which the copy can be made at once; none where that would not help.

    A version needs a copy in its own region `home` (learn, create or update gallery image versions), so a failure
    there leaves nothing out. `failed` may name none, where Azure did not say which regions failed.
    """
    bad = {region_key(name) for name in failed}
    if not bad or region_key(home) in bad:
        return ()
    return tuple(name for name in wanted if region_key(name) in bad)
