"""How many changes one caller may make: a minute's worth at once, and then as many as the minutes allow. Pure.

What a caller has made is kept as one moment. Each change moves it on by its share of a minute; it may be a minute ahead
at most. So there are no windows at whose border twice as many pass, and a short burst costs nobody anything.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(minutes=1)
_NOW = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRate:
    """The changes of one caller: `used_until` is the moment until which they use up what the caller may make."""

    used_until: datetime


def after_change(rate: ChangeRate | None, now: datetime, per_minute: int) -> tuple[ChangeRate, timedelta]:
    """The rate with one more change, and zero; or the rate as it was, and the time after which a change is allowed.

    `per_minute` may have changed since the last call, and so may the clock: nobody waits longer than a minute.
    """
    used = now if rate is None else min(max(rate.used_until, now), now + WINDOW)
    after = used + WINDOW // per_minute
    wait = after - (now + WINDOW)
    if wait > _NOW:
        return ChangeRate(used_until=used), wait
    return ChangeRate(used_until=after), _NOW
