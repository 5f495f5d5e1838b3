"""Note for the platform breakers how far a build came, where it gives its slot back.

Reading the slots shows whether breakers have rows. Where none has, which is nearly always, this costs nothing.
"""

import contextlib

from pipeline_core.domain import platform_breaker
from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import Contended, UnreadableRow
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.services.outages.outages import Outages, reached_by
from pipeline_core.state.capacity import SlotReleased


def note(outages: Outages, build: Build, released: SlotReleased) -> None:
    """End the runs of failures whose call the build is past. Safe to repeat.

    One read where breakers have rows, and one change for each run that ends.
    """
    if released is not SlotReleased.FREED_BESIDE_BREAKERS:
        return
    reached = reached_by(build)

    def succeed(found: PlatformBreaker) -> PlatformBreaker:
        return platform_breaker.note_success(found, build, reached)

    known = (stored.value for stored in outages.records.breakers.list())
    ended = [breaker for breaker in known if succeed(breaker) is not breaker]
    place = outages.place_of(build) if ended else None
    for breaker in ended:
        if place is not None and platform_breaker.is_in_scope(breaker, place):
            # Another handler changes the row: the next build that succeeds notes it.
            with contextlib.suppress(Contended, UnreadableRow):
                outages.records.breakers.change(breaker, succeed)
