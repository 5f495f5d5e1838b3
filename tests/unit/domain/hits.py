"""Failed attempts for tests of the platform breaker, and a breaker that they have opened for its whole scope."""

from datetime import datetime, timedelta

from pipeline_core.domain import platform_breaker as breakers
from pipeline_core.domain.errors import ErrorClass, ErrorScope, ScopeKind
from pipeline_core.domain.names import BuildId, ImageName, TeamName
from pipeline_core.domain.platform_breaker import BreakerHit, PlatformBreaker
from pipeline_core.domain.platform_call import PlatformCall
from tests.unit.domain.factories import NOW

MINUTE = timedelta(minutes=1)
REGION = ErrorScope(kind=ScopeKind.REGION, name="westeurope")
NEW = PlatformBreaker(error_class=ErrorClass.UNKNOWN, scope=REGION)


def hit_of(
    image: str = "app",
    *,
    team: str = "payments",
    root: str = "base",
    at: datetime = NOW,
    attempt: str = "building-1",
    number: int = 1,
    call: PlatformCall = PlatformCall.BUILD,
) -> BreakerHit:
    """One attempt that failed."""
    return BreakerHit(
        build=BuildId(f"{image}.{'a' * 12}.{number}"),
        attempt=attempt,
        image=ImageName(image),
        team=TeamName(team),
        root=ImageName(root),
        at=at,
        call=call,
    )


def struck_by(*hits: BreakerHit, breaker: PlatformBreaker = NEW, of_call: bool = False) -> PlatformBreaker:
    """The breaker after these failures, one after the other."""
    for hit in hits:
        breaker = breakers.strike(breaker, hit, "it failed", of_call=of_call)
    return breaker


WIDE = struck_by(hit_of(), hit_of("web", team="shop"))
