"""The rules of outages: who owns a failure, what it holds back and for how long, one alert, and what is tried again."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from pipeline_core.domain import builds, claims, creations, platform_breaker, replication, retry
from pipeline_core.domain.builds import Build, Failure
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.errors import ErrorClass
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.domain.retry import GiveUp, TryAgain
from simulation.sabotage.shape import Sabotage, replaced

_settle = claims.settle


@contextlib.contextmanager
def _blames_the_team() -> Iterator[None]:
    """Every permanent failure counts as the team's, of whatever owner it is."""
    with replaced(Failure, "is_of_team", property(lambda failure: failure.stays)):
        yield


@contextlib.contextmanager
def _tries_for_ever() -> Iterator[None]:
    """A permanent failure of an input cools down, and the input is built again."""

    def settle(claim: Claim, build: Build) -> Claim:
        settled = _settle(claim, build)
        is_over = settled.outcome is Outcome.FAILED
        return replace(settled, outcome=Outcome.EXHAUSTED) if is_over else settled

    with replaced(claims, "settle", settle):
        yield


@contextlib.contextmanager
def _closes_with_each_probe() -> Iterator[None]:
    """A probe closes the breaker before it is known how it ends, and each opening raises an alert."""

    def begin(breaker: PlatformBreaker, build: object, now: datetime, **of_build: object) -> PlatformBreaker:
        return replace(platform_breaker.close(breaker, now), alarmed_at=None)

    with replaced(platform_breaker, "begin_probe", begin):
        yield


@contextlib.contextmanager
def _gives_up_copies() -> Iterator[None]:
    """The third failed copy ends the build, although its version is proven."""

    with replaced(replication, "is_over", lambda tries: tries >= 3):
        yield


@contextlib.contextmanager
def _sees_floods_alone() -> Iterator[None]:
    """Only failures of the same minutes open a platform breaker, however few builds run."""
    with replaced(platform_breaker, "_NOTED", range(0)):
        yield


@contextlib.contextmanager
def _holds_nothing_back() -> Iterator[None]:
    """The breaker opens, and neither does a build that runs pause, nor does one that is pending wait."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced(platform_breaker, "covers", lambda breaker, place: False))
        stack.enter_context(replaced(PlatformBreaker, "holds_all", property(lambda breaker: False)))
        yield


@contextlib.contextmanager
def _stays_open() -> Iterator[None]:
    """A breaker for which nobody is left that could probe, as after a failed publication, stays open."""
    with replaced(platform_breaker, "is_abandoned", lambda breaker, now: False):
        yield


@contextlib.contextmanager
def _asks_at_once() -> Iterator[None]:
    """Where the region says how long to wait, nobody else waits with the build that was refused."""
    with replaced(creations, "pause", lambda spent, now, length: spent):
        yield


_look_again = retry.look_again  # before it is replaced


@contextlib.contextmanager
def _hears_no_wait() -> Iterator[None]:
    """A call that Azure refuses is repeated after the factory's own wait, whatever the answer asks for."""

    def look_again(error_class: ErrorClass, looks: int, chance: float, **named: object) -> TryAgain | GiveUp:
        return _look_again(error_class, looks, chance)

    with replaced(retry, "look_again", look_again):
        yield


@contextlib.contextmanager
def _tells_no_other_message() -> Iterator[None]:
    """Only the message whose step was refused waits: the build's row does not say it."""
    with replaced(builds, "wait_until", lambda build, at: build):
        yield


_CHAPTER = ("outages",)
RULES = (
    Sabotage(rule="copies-are-tried-again", patch=_gives_up_copies, chapters=("copies",)),
    Sabotage(rule="regions-wait-is-kept", patch=_asks_at_once),
    Sabotage(rule="calls-wait-is-kept", patch=_hears_no_wait, faults="races", chapters=_CHAPTER),
    Sabotage(
        rule="every-message-keeps-the-wait", patch=_tells_no_other_message, faults="races", chapters=_CHAPTER
    ),
    Sabotage(
        rule="outage-holds-builds-back",
        patch=_holds_nothing_back,
        faults="light",
        slots=2,
        chapters=_CHAPTER,
    ),
    Sabotage(rule="breaker-closes-without-a-probe", patch=_stays_open, faults="light", chapters=_CHAPTER),
    Sabotage(rule="outage-blames-no-team", patch=_blames_the_team, faults="light", chapters=_CHAPTER),
    Sabotage(rule="permanent-is-not-built-again", patch=_tries_for_ever, faults="light", chapters=_CHAPTER),
    Sabotage(
        rule="one-alert-per-outage",
        patch=_closes_with_each_probe,
        faults="light",
        images=9,
        chapters=_CHAPTER,
        days=1,
    ),
    Sabotage(
        rule="slow-failures-are-an-outage",
        patch=_sees_floods_alone,
        faults="none",
        images=9,
        slots=2,
        chapters=_CHAPTER,
        days=3,
    ),
)
