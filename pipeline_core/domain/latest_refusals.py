"""What a refused change of `latest` outside a build means for the platform breaker. Pure.

Such a change is nobody's attempt: each try is a failure of its own. Nothing of it pauses, so it is tried again after
a time that grows, and where no build probes the breaker it is the probe.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from pipeline_core.domain import platform_breaker
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.platform_breaker import OF_LATEST, BreakerHit, BuildPlace, PlatformBreaker
from pipeline_core.domain.platform_call import PlatformCall

FIRST_WAIT, LAST_WAIT = timedelta(minutes=1), timedelta(minutes=30)
_UNPROBED = timedelta(minutes=20)  # a probe that is due for so long: no build is there that could be it


def hit_of(build: BuildId, place: BuildPlace, now: datetime) -> BreakerHit:
    """One refusal. `build` is the one that made the version."""
    return BreakerHit(
        build=build,
        attempt=f"{OF_LATEST}{now.isoformat()}",
        image=place.image,
        team=place.team,
        root=place.root,
        at=now,
        call=PlatformCall.PUBLISH,
    )


def refuse(breaker: PlatformBreaker, hit: BreakerHit, message: str) -> PlatformBreaker:
    """The breaker after one refusal. A breaker that no build probes stays open as long as refusals come."""
    struck = platform_breaker.strike(breaker, hit, message, of_call=True)
    due = breaker.next_probe
    if not breaker.is_open or breaker.probe is not None or due is None or hit.at < due + _UNPROBED:
        return struck
    failed = replace(struck, failed_probes=struck.failed_probes + 1)
    return platform_breaker.settle_probe(failed, hit.at)


def until_try(breaker: PlatformBreaker, now: datetime) -> timedelta:
    """The time until the next try: a quarter of the time since the breaker opened, from 1 to 30 minutes."""
    lasts = timedelta(0) if breaker.opened_at is None else now - breaker.opened_at
    return min(max(FIRST_WAIT, lasts / 4), LAST_WAIT)


def is_answered(breaker: PlatformBreaker, place: BuildPlace) -> bool:
    """True where an accepted change of `place` ends the outage: it is about such changes alone, and about the image."""
    return breaker.is_of_latest and platform_breaker.covers(breaker, place)
