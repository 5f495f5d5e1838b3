"""When a failed attempt is tried again: by class of error, with backoff and jitter. Pure: chance is an argument."""

from dataclasses import dataclass, replace
from datetime import timedelta

from pipeline_core.domain.errors import ErrorClass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """`tries` counts attempts in all; delays double from `first` up to `most`."""

    tries: int
    first: timedelta
    most: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TryAgain:
    """The stage may be tried again after `delay`."""

    delay: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """The stage has failed: the error is permanent, or its tries are used up."""


_SHORT = RetryRule(tries=5, first=timedelta(seconds=15), most=timedelta(minutes=10))
_LONG = RetryRule(tries=8, first=timedelta(minutes=2), most=timedelta(minutes=30))
RULES = {
    ErrorClass.THROTTLED: _SHORT,
    ErrorClass.CAPACITY: _LONG,
    ErrorClass.QUOTA: _LONG,
    ErrorClass.NETWORK: _SHORT,
    ErrorClass.TOKEN: _SHORT,
    ErrorClass.CONFLICT: _SHORT,
    ErrorClass.EVICTION: RetryRule(tries=3, first=timedelta(seconds=15), most=timedelta(minutes=5)),
    # Azure/azure-cli#18596: a registry can be out of reach for hours.
    ErrorClass.REGISTRY: _LONG,
    ErrorClass.MIRROR: _LONG,
    # Two tries show whether it was by chance. Then the platform breaker waits for its end.
    ErrorClass.UNKNOWN: RetryRule(tries=2, first=timedelta(minutes=1), most=timedelta(minutes=1)),
}
# They are waited for without a limit, and never count as failures.
LACKS = (ErrorClass.QUOTA, ErrorClass.CAPACITY)
_LAST_LOOK = timedelta(minutes=30)
# A sweep looks at every build that is older than this in its phase. It begins to after ten waits, 100 minutes at most.
SWEPT = timedelta(hours=2)
_LONG_LOOK = timedelta(minutes=5)  # a shorter wait is for something that ends soon, such as a deletion
# A right that was granted just now may take ten minutes to count (`domain.propagation`). Packer does not wait for it.
_GRANT = RetryRule(tries=4, first=timedelta(minutes=4), most=timedelta(minutes=8))
_SENT_FIRST = timedelta(seconds=5)
# With its spread five minutes, half the time between two sweeps: so late is a message after an outage, at most.
_SENT_MOST = timedelta(seconds=150)


def next_try(
    error_class: ErrorClass, attempt: int, chance: float, *, retry_after: timedelta | None = None
) -> TryAgain | GiveUp:
    """Decide after `attempt` (from 1) has failed.

    `chance` in [0, 1) spreads the delay over its upper half, so that stages that failed together do not
    come back together. The platform's `retry_after` is a lower bound and is never shortened.
    """
    return _next(RULES.get(error_class), attempt, chance, retry_after)


def next_attempt(error_class: ErrorClass, attempt: int, chance: float) -> TryAgain | GiveUp:
    """The same for an attempt of the builder, whose calls nobody repeats: also after a right was missing."""
    rule = _GRANT if error_class is ErrorClass.PERMISSION else RULES.get(error_class)
    return _next(rule, attempt, chance, None)


def look_again(
    error_class: ErrorClass, looks: int, chance: float, *, retry_after: timedelta | None = None
) -> TryAgain | GiveUp:
    """The same for a call that is repeated without a limit: its delays go on doubling, to half an hour."""
    rule = RULES.get(error_class)
    if rule is not None:
        rule = replace(rule, tries=looks + 1, most=max(rule.most, _LAST_LOOK))
    return _next(rule, looks, chance, retry_after)


def wait(error_class: ErrorClass, attempt: int, chance: float) -> TryAgain:
    """The same for a lack that is waited for without a limit."""
    rule = RULES[error_class]
    return TryAgain(delay=_backoff(rule, min(attempt, rule.tries)) * (0.5 + chance / 2))


def until_sent_again(times: int | None, chance: float, *, retry_after: timedelta | None = None) -> timedelta:
    """The delay of a message that is sent again, after that was done so many `times` before. None is not known.

    It doubles from 5 seconds up to 150, times a factor from 1 to 2 by `chance` in [0, 1). Where `times` is not known it
    is the longest: each message that is delivered twice doubles those that follow, so nothing may come again quickly
    for long. A longer `retry_after` takes the place of the delay before the factor, so it is never shortened.
    """
    delay = _SENT_MOST if times is None else min(_SENT_FIRST * (1 << min(times, 16)), _SENT_MOST)
    return max(delay, retry_after or delay) * (1 + chance)


def until_look(lasts: timedelta, *, wait: timedelta, most: timedelta, part: int) -> timedelta:
    """The time until the next look at something that has lasted so long: `wait` at first, one `part` of it later.

    Each look costs operations, and a message that is delivered twice doubles the looks that follow.
    """
    return max(wait, min(lasts / part, most))


def is_left_to_sweeps(lasts: timedelta, delay: timedelta) -> bool:
    """True where no message is sent for the look after `delay`, since the build has been in its phase for `lasts`.

    Each message that is delivered twice doubles those that follow, so a wait of days would end in thousands of them.
    What a sweep asks for is followed by none.
    """
    return lasts >= SWEPT and delay >= _LONG_LOOK


def _next(
    rule: RetryRule | None, attempt: int, chance: float, retry_after: timedelta | None
) -> TryAgain | GiveUp:
    if rule is None or attempt >= rule.tries:
        return GiveUp()
    full = _backoff(rule, attempt)
    delay = full * (0.5 + chance / 2)
    if retry_after is not None and retry_after > delay:
        delay = retry_after + full * (chance / 2)
    return TryAgain(delay=delay)


def _backoff(rule: RetryRule, attempt: int) -> timedelta:
    return min(rule.first * (1 << min(attempt - 1, 16)), rule.most)
