"""Resource Manager's own limit of deletions: a bucket for each principal, refilled every second.

Source: *Understand how Azure Resource Manager throttles requests* (request-limits-and-throttling.md): per subscription,
principal and kind of operation a bucket of 200 deletions, refilled by 10 a second; status 429 with Retry-After; the
header with the rest. The code: Microsoft Q&A 924666, *Error in deleting resource group*. Reads and writes have
such buckets too. They are not emulated: a client here asks every second what it asks every half minute on Azure.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from local.arm.wire import ArmError

REST_HEADER: Final = "x-ms-ratelimit-remaining-subscription-deletes"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionLimit:
    """A bucket's size and the tokens that it gets back each second."""

    bucket: int = 200
    per_second: float = 10.0


class Throttle:
    """The deletions that each principal has left in each subscription."""

    def __init__(self, limit: DeletionLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._buckets: dict[
            tuple[str, str], tuple[float, float]
        ] = {}  # key -> tokens, when they were counted

    def take(self, subscription: str, principal: str) -> int:
        """Count one deletion; the number of deletions left. Raises SubscriptionRequestsThrottled."""
        key, now = (subscription.lower(), principal.lower()), self._clock()
        tokens, counted = self._buckets.get(key, (float(self._limit.bucket), now))
        tokens = min(float(self._limit.bucket), tokens + (now - counted) * self._limit.per_second)
        if tokens < 1:
            self._buckets[key] = (tokens, now)
            wait = max(1, math.ceil((1 - tokens) / self._limit.per_second))
            raise ArmError(
                429,
                "SubscriptionRequestsThrottled",
                f"Number of 'delete' requests for subscription '{subscription}' actor '{principal}' exceeded. Please "
                f"try again after '{wait}' seconds after additional tokens are available.",
                headers={"Retry-After": str(wait), REST_HEADER: "0"},
            )
        self._buckets[key] = (tokens - 1, now)
        return int(tokens - 1)
