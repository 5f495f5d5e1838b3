"""The platform breaker: what opens it, which builds it holds back, and what closes it. Pure.

A failure that no team owns says nothing about an input. It counts here, by its class and by the scope where it holds.
Failures of several images within `WINDOW` open the breaker for all builds of the scope, failures of one image in a
row for this image. Where few builds run, failures are further apart: those of `_IMAGES` images open it too, however
long they take, where no build has got past the call since. Builds that are held back stay queued, and builds that run
pause their retries. One build at a time is the probe. It passes when it is past the call that failed, whatever its
end, and closes the breaker.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline_core.domain import canonical
from pipeline_core.domain.builds import Build, Failure, Phase
from pipeline_core.domain.errors import ErrorClass, ErrorScope, Owner, ScopeKind
from pipeline_core.domain.names import BuildId, ImageName, TeamName
from pipeline_core.domain.platform_call import PlatformCall, call_of

WINDOW = timedelta(minutes=10)  # within which failures of several images belong together
_ROW = 3  # failures of one image in a row that open the breaker for this image
_IMAGES = 3  # images of one team and one root, whose failures together are more than chance
_MEMORY = timedelta(hours=6)  # after this time a failure no longer counts as one in a row
_HITS = 16  # failures that are kept
_FIRST_PROBE = timedelta(minutes=1)
_LAST_PROBE = timedelta(minutes=30)  # the longest time between two probes
_PROBE_ENDS = timedelta(minutes=45)  # then another build may probe, because the probe may be lost
_NOBODY = timedelta(days=1)  # a probe that is due for so long: nobody waits for the end of this outage
_NOBODY_PUBLISHES = timedelta(hours=2)  # the same in publishing, where only builds that pause can probe
_LOOK, _LAST_LOOK = timedelta(minutes=2), timedelta(minutes=30)  # between two looks of a build that pauses
_SOON = timedelta(seconds=15)
_PATIENCE = timedelta(hours=1)  # a build pauses at most so long; it then goes on by its own tries
_PREPARES = frozenset({PlatformCall.PREPARE, PlatformCall.VERIFY_PREPARE})
# A build past one of these gives its slot back soon, which is when its success is noted. Past an earlier call it may
# run for an hour first, so that silence says nothing; a publication has no slot.
_NOTED = range(PlatformCall.BUILD, PlatformCall.PUBLISH)
_BUILDS_WAIT = "builds wait, one at a time tries, and all go on when one is past it"
_LATEST_WAITS = "`latest` of its images is tried again until it is accepted"
OF_LATEST = "latest "  # how the attempt of a hit begins that no build made: a refused change of `latest`
ALARM_AGAIN = timedelta(hours=1)  # a breaker that opens again so soon after it closed raises no second alert


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlace:
    """What a scope can be about: the image with its team, root and source, and the machine size of the build."""

    image: ImageName
    team: TeamName
    root: ImageName
    source: str
    size: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerHit:
    """One attempt of a build that failed. `attempt` names it within the build.

    `is_passed`: a build of the scope has got past the call since, so the failure is in no run without a success.
    """

    build: BuildId
    attempt: str
    image: ImageName
    team: TeamName
    root: ImageName
    at: datetime
    call: PlatformCall
    is_passed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerProbe:
    """The build that probes. `spent` is its attempt that had failed before: this one says nothing new.

    `call` is where the build itself is stopped: that it has been past an earlier call says nothing about now.
    """

    build: BuildId
    since: datetime
    spent: str = ""
    call: PlatformCall = PlatformCall.PREPARE


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformBreaker:
    """The failures of one class in one scope. Times are aware UTC.

    `opened_at` is None while it is closed. `is_wide` says that it holds back the whole scope, not one image.
    `call` is the one that failed last, of a build that starts where starts are held back. `message` is its error.
    `alarmed_at` is the time of the newest alert, `announce` is true until it was raised, and `opened_by` is the build
    in whose journal it is. `is_drained` is false from the opening until all that was held back has been looked at
    again.
    """

    error_class: ErrorClass
    scope: ErrorScope
    hits: tuple[BreakerHit, ...] = ()
    opened_at: datetime | None = None
    is_wide: bool = False
    call: PlatformCall = PlatformCall.PREPARE
    message: str = ""
    next_probe: datetime | None = None
    failed_probes: int = 0
    probe: BreakerProbe | None = None
    closed_at: datetime | None = None
    alarmed_at: datetime | None = None
    announce: bool = False
    opened_by: BuildId | None = None
    is_drained: bool = True

    @property
    def key(self) -> str:
        """The key of its row."""
        return key_of(self.error_class, self.scope)

    @property
    def is_open(self) -> bool:
        """True while it holds builds back."""
        return self.opened_at is not None

    @property
    def holds_all(self) -> bool:
        """True where no build may start, except as a probe. A failed publication holds back nothing that starts."""
        return self.is_open and self.is_wide and self.call < PlatformCall.PUBLISH and not _is_partial(self)

    @property
    def is_of_latest(self) -> bool:
        """True while it is open by refused changes of `latest` alone, and by no build."""
        return self.is_open and all(hit.attempt.startswith(OF_LATEST) for hit in self.hits)

    def describe(self) -> str:
        """For a person: what fails where since when, and what the factory does."""
        since = "" if self.opened_at is None else f" since {self.opened_at:%Y-%m-%d %H:%M} UTC"
        what = f"{self.error_class.value} in {self.scope}{since}: {self.message[:300]}"
        return f"{what}; {_LATEST_WAITS if self.is_of_latest else _BUILDS_WAIT}"


def key_of(error_class: ErrorClass, scope: ErrorScope) -> str:
    """One key for each class and scope, of letters and digits."""
    text = canonical.text([error_class.value, scope.kind.value, scope.name])
    return hashlib.sha256(text).hexdigest()[:16]


def counts(failure: Failure) -> bool:
    """True where a failure is of the platform: no team owns it, and it is not merely a lack that a build waits out."""
    return failure.who is not Owner.TEAM and not failure.error_class.only_waits


def scope_of(failure: Failure, place: BuildPlace, deployment: ErrorScope) -> ErrorScope:
    """Where a failure holds. Where nothing says it, the class of a builder's failure says: the source, or all."""
    if failure.scope is not None:
        return failure.scope
    if failure.error_class in (ErrorClass.NOT_FOUND, ErrorClass.TERMS):
        return ErrorScope(kind=ScopeKind.SOURCE, name=place.source)
    if failure.error_class is ErrorClass.MIRROR:
        return ErrorScope(kind=ScopeKind.ENDPOINT, name="unnamed")
    return deployment


def strike(breaker: PlatformBreaker, hit: BreakerHit, message: str, *, of_call: bool) -> PlatformBreaker:
    """The breaker after one failed attempt; the same object where the failure says nothing new.

    `of_call`: a call of the factory failed, and the build tries it again in the same attempt."""
    probe = breaker.probe
    if probe is not None and probe.build == hit.build:
        if not of_call and hit.attempt == probe.spent:
            return (
                breaker if hit.call <= probe.call else replace(breaker, probe=replace(probe, call=hit.call))
            )
        failed = replace(breaker, failed_probes=breaker.failed_probes + 1)
        return _with_hit(settle_probe(failed, hit.at), hit, message, is_probe=True)
    if breaker.is_open and breaker.is_wide and not (_is_partial(breaker) or _is_before(breaker, hit)):
        return breaker  # each build of the scope is held back already
    if any(known.build == hit.build and known.attempt == hit.attempt for known in breaker.hits):
        return breaker
    return _with_hit(breaker, hit, message)


def is_answered(breaker: PlatformBreaker, build: Build) -> bool:
    """True where the running attempt began before the breaker closed: it is repeated, whatever its tries say."""
    return not breaker.is_open and breaker.closed_at is not None and build.phase_since <= breaker.closed_at


def _with_hit(
    breaker: PlatformBreaker, hit: BreakerHit, message: str, *, is_probe: bool = False
) -> PlatformBreaker:
    kept = [known for known in breaker.hits if known.at > hit.at - _MEMORY]
    hits = (*kept[-(_HITS - 1) :], hit)
    struck = replace(breaker, hits=hits, call=hit.call, message=message)
    wide = breaker.is_wide or _is_wide(hits, hit.at)
    if _is_before(breaker, hit):
        # One failure may be chance, and much more is to be held back: they must open it by themselves.
        before = tuple(known for known in hits if known.call < PlatformCall.PUBLISH)
        if not _is_wide(before, hit.at) and (breaker.is_wide or not _is_row(before, hit)):
            return replace(breaker, hits=hits)
        return _opened(struck, hit, is_wide=wide, is_quiet=False)
    if breaker.is_open:
        is_behind = breaker.call < PlatformCall.PUBLISH <= hit.call
        return replace(struck, is_wide=wide, call=breaker.call if is_behind and not is_probe else hit.call)
    if not wide and not _is_row(hits, hit):
        return struck
    return _opened(struck, hit, is_wide=wide, is_quiet=is_known(breaker, hit.at))


def is_known(breaker: PlatformBreaker, now: datetime) -> bool:
    """True where people were alerted, and a breaker that opens now counts as the same outage.

    The time counts from the end that was believed: a probe that the outage does not reach may close the breaker hours
    after the alert, while the outage lasts.
    """
    last = breaker.closed_at or breaker.alarmed_at
    return breaker.alarmed_at is not None and last is not None and now < last + ALARM_AGAIN


def _is_row(hits: Iterable[BreakerHit], hit: BreakerHit) -> bool:
    return sum(known.image == hit.image for known in hits) >= _ROW


def _is_before(breaker: PlatformBreaker, hit: BreakerHit) -> bool:
    """True where an open breaker holds back nothing that starts, and this failure is of a build's start."""
    return breaker.is_open and breaker.call >= PlatformCall.PUBLISH > hit.call


def _opened(struck: PlatformBreaker, hit: BreakerHit, *, is_wide: bool, is_quiet: bool) -> PlatformBreaker:
    return replace(
        struck,
        opened_at=hit.at,
        is_wide=is_wide,
        next_probe=hit.at + _FIRST_PROBE,
        failed_probes=0,
        probe=None,
        closed_at=None,
        alarmed_at=struck.alarmed_at if is_quiet else hit.at,
        announce=not is_quiet,
        opened_by=hit.build,
        is_drained=False,
    )


def _is_wide(hits: Iterable[BreakerHit], now: datetime) -> bool:
    known = list(hits)
    recent = [hit for hit in known if hit.at > now - WINDOW]
    teams, roots = {hit.team for hit in recent}, {hit.root for hit in recent}
    if len(teams) > 1 or len(roots) > 1 or len({hit.image for hit in recent}) >= _IMAGES:
        return True
    return len({hit.image for hit in known if not hit.is_passed and hit.call in _NOTED}) >= _IMAGES


def _is_partial(breaker: PlatformBreaker) -> bool:
    """True where the scope is not about every build of the factory."""
    kind = breaker.scope.kind
    return kind in (ScopeKind.SIZE, ScopeKind.SOURCE) or breaker.error_class is ErrorClass.MIRROR


def covers(breaker: PlatformBreaker, place: BuildPlace) -> bool:
    """True where an open breaker is about this build."""
    if not breaker.is_open:
        return False
    if not breaker.is_wide:
        return any(hit.image == place.image for hit in breaker.hits)
    return is_in_scope(breaker, place)


def is_in_scope(breaker: PlatformBreaker, place: BuildPlace) -> bool:
    """True where the failures that count for the breaker, open or not, could also be of this build."""
    if not _is_partial(breaker):
        return True
    match breaker.scope.kind:
        case ScopeKind.SIZE:
            return place.size == breaker.scope.name
        case ScopeKind.SOURCE:
            return place.source == breaker.scope.name
        case _:  # which builds use a mirror is not known; those below one root use the same ones
            return any(hit.root == place.root for hit in breaker.hits)


def holds(breaker: PlatformBreaker, place: BuildPlace) -> bool:
    """True where a pending build must not start, except as a probe."""
    return breaker.call < PlatformCall.PUBLISH and covers(breaker, place)


def is_patient(breaker: PlatformBreaker, build: Build, now: datetime) -> bool:
    """True while a running build pauses. After that its own tries decide, so that its slot is not kept for ever.

    It pauses to the end where nobody else can use its slot: it holds none, or no build of the factory can begin.
    """
    if breaker.opened_at is None:
        return False
    if build.phase is Phase.PUBLISHING or (breaker.holds_all and breaker.call in _PREPARES):
        return True
    return now < max(build.started_at or build.phase_since, breaker.opened_at) + _PATIENCE


def is_due(breaker: PlatformBreaker, now: datetime) -> bool:
    """True where the next probe may go."""
    due = _due(breaker)
    return due is not None and due <= now


def is_abandoned(breaker: PlatformBreaker, now: datetime) -> bool:
    """True where no build has probed an open breaker for long, so that none waits for its end. It may close."""
    due = _due(breaker)
    is_late = breaker.call >= PlatformCall.PUBLISH
    return due is not None and due + (_NOBODY_PUBLISHES if is_late else _NOBODY) <= now


def has_work(breaker: PlatformBreaker, now: datetime) -> bool:
    """True where a pass of the dispatcher has something to do for the row, although no build waits."""
    if breaker.is_open:
        return is_abandoned(breaker, now)
    return not breaker.is_drained or is_over(breaker, now)


def _due(breaker: PlatformBreaker) -> datetime | None:
    if breaker.next_probe is None or not breaker.is_open:
        return None
    return breaker.next_probe if breaker.probe is None else breaker.probe.since + _PROBE_ENDS


def goes_on(breaker: PlatformBreaker, build: Build) -> bool:
    """True where a build that pauses cannot show that the outage is over: it is behind the call that fails."""
    return build.phase is Phase.PUBLISHING and breaker.call < PlatformCall.PUBLISH


def until_look(breaker: PlatformBreaker, now: datetime) -> timedelta:
    """The time until a build that pauses looks again: longer the longer it lasts, and no later than the next probe."""
    lasts = timedelta(0) if breaker.opened_at is None else now - breaker.opened_at
    wait = max(_LOOK, min(lasts / 4, _LAST_LOOK))
    if breaker.next_probe is not None and breaker.probe is None:
        wait = min(wait, max(_SOON, breaker.next_probe - now))
    return wait


def begin_probe(
    breaker: PlatformBreaker,
    build: BuildId,
    now: datetime,
    *,
    spent: str = "",
    phase: Phase = Phase.PENDING,
) -> PlatformBreaker:
    """The breaker with this build, which is in `phase`, as its probe. `spent` as in `BreakerProbe`."""
    probe = BreakerProbe(build=build, since=now, spent=spent, call=call_of(phase))
    return replace(breaker, probe=probe)


def settle_probe(breaker: PlatformBreaker, now: datetime) -> PlatformBreaker:
    """The breaker without a probe. The next one goes after a time that doubles with each probe that failed."""
    wait = min(_FIRST_PROBE * (1 << min(breaker.failed_probes, 10)), _LAST_PROBE)
    return replace(breaker, probe=None, next_probe=now + wait)


def has_passed(breaker: PlatformBreaker, build: Build, reached: PlatformCall) -> bool:
    """True where the probe is past the call that failed, and past the one where it was stopped itself.

    A step of its own that failed there is behind that call.
    """
    call = breaker.call if breaker.probe is None else max(breaker.call, breaker.probe.call)
    return _is_past(call, build, reached)


def note_success(breaker: PlatformBreaker, build: Build, reached: PlatformCall) -> PlatformBreaker:
    """The breaker after a build of its scope has come so far; the same object where that says nothing new.

    A breaker that is open for its whole scope asks its probes alone.
    """
    if breaker.is_open and breaker.is_wide:
        return breaker
    hits = tuple(
        replace(hit, is_passed=hit.is_passed or _is_past(hit.call, build, reached)) for hit in breaker.hits
    )
    return breaker if hits == breaker.hits else replace(breaker, hits=hits)


def _is_past(call: PlatformCall, build: Build, reached: PlatformCall) -> bool:
    is_own = build.failure is not None and build.failure.is_of_team
    return reached > call or (is_own and reached is call)


def close(breaker: PlatformBreaker, now: datetime) -> PlatformBreaker:
    """The closed breaker. What it held back is not looked at again yet."""
    return replace(
        breaker,
        hits=(),
        opened_at=None,
        is_wide=False,
        next_probe=None,
        failed_probes=0,
        probe=None,
        closed_at=now,
        is_drained=False,
    )


def is_over(breaker: PlatformBreaker, now: datetime) -> bool:
    """True where nothing depends on the row any more."""
    last = max((hit.at for hit in breaker.hits), default=breaker.closed_at)
    return not breaker.is_open and breaker.is_drained and (last is None or last <= now - _MEMORY)
