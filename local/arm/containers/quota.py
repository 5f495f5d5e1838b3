"""Quotas of container instances in one region: groups and cores at a time, creations and deletions in a while.

Source of the figures: learn container-instances-resource-and-quota-limits, Changeable Limits. Source of the refusals:
MicrosoftDocs/SupportArticles-docs support/azure/azure-container-instances/configuration-setup,
service-unavailable-container-group-quota-exceeded.md (groups) and spot-container-group-quota-reached-error.md (cores).
No page shows the refusal of a creation or deletion too many. Whether Azure counts the deletion of a group that is
being deleted is not documented either: it counts here, and that of a group that does not exist does not.
"""

import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from local.arm.wire import ArmError, Json

_HOUR: Final = 3600.0
_BURST: Final = 300.0
_CODES: Final = {"ContainerGroups": "ServiceUnavailable", "StandardCores": "ContainerGroupQuotaReached"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionLimits:
    """Azure's quotas of one region, and how long a start, a stop and a deletion take here.

    A container that ends with another code than 0 is started again `restarts` times, `restart_seconds` later, whatever
    the restart policy. An image whose name contains a text of `missing_images` cannot be pulled.
    """

    groups: int = 100
    cores: float = 100
    creates_per_hour: int = 300
    creates_per_burst: int = 100
    deletes_per_hour: int = 300
    deletes_per_burst: int = 100
    start_seconds: float = 0.05
    grace_seconds: float = 30.0
    delete_seconds: float = 0.05
    restarts: int = 1
    restart_seconds: float = 1.0
    missing_images: tuple[str, ...] = ()


class _Rate:
    """The calls of one kind in each region, against its limits per hour and per five minutes."""

    def __init__(self, what: str, per_hour: int, per_burst: int) -> None:
        self._what = what
        self._limits = ((per_hour, _HOUR, "hour"), (per_burst, _BURST, "5 minutes"))
        self._calls: deque[tuple[float, str]] = deque()

    def demand(self, location: str) -> None:
        """Raise TooManyRequests where a limit forbids one more call. Count nothing."""
        now = time.monotonic()
        while self._calls and self._calls[0][0] < now - _HOUR:
            self._calls.popleft()
        for limit, seconds, words in self._limits:
            recent = [at for at, where in self._calls if where == location and at > now - seconds]
            if len(recent) < limit:
                continue
            wait = int(recent[len(recent) - limit] + seconds - now) + 1
            raise ArmError(
                429,
                "TooManyRequests",
                f"The request is being throttled as the limit of {limit} container group {self._what} per {words} has "
                f"been reached in region '{location}'. Please retry after {wait} seconds.",
                headers={"Retry-After": str(wait)},
            )

    def count(self, location: str) -> None:
        """Count one call."""
        self._calls.append((time.monotonic(), location))


class Quota:
    """The rest of each limit. The caller knows how much is in use."""

    def __init__(self, limits: RegionLimits) -> None:
        self._limits = limits
        self._created = _Rate("creations", limits.creates_per_hour, limits.creates_per_burst)
        self._deleted = _Rate("deletions", limits.deletes_per_hour, limits.deletes_per_burst)

    def take(self, location: str, groups: int, cores: float, more_cores: float) -> None:
        """Count one creation. Raises ArmError if a limit forbids it: of groups, of cores, of creations in a while."""
        for name, limit, usage, more in (
            ("ContainerGroups", self._limits.groups, groups, 1),
            ("StandardCores", self._limits.cores, cores, more_cores),
        ):
            if usage + more > limit:
                raise ArmError(
                    409,
                    _CODES[name],
                    f"Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota '{name}' "
                    f"exceeded in region '{location}'. Limit: '{limit:g}', Usage: '{usage:g}' Requested: '{more:g}'.",
                )
        self._created.demand(location)
        self._created.count(location)

    def take_deletion(self, location: str) -> None:
        """Count one deletion. Raises TooManyRequests if a limit forbids it."""
        self._deleted.demand(location)
        self._deleted.count(location)

    def shown(self, groups: int, cores: float) -> list[Json]:
        """The rows of a list of usages."""
        rows: list[Json] = []
        for name, value, limit in (
            ("ContainerGroups", groups, self._limits.groups),
            ("StandardCores", int(cores), int(self._limits.cores)),
        ):
            named = {"value": name, "localizedValue": name}
            rows.append({"unit": "Count", "currentValue": value, "limit": limit, "name": named})
        return rows
