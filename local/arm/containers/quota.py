"""Quotas of container instances in one region: groups and cores at a time, creations per hour."""

import time
from collections import deque
from dataclasses import dataclass

from local.arm.wire import ArmError, Json


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionLimits:
    """Azure's quotas of one region, and how long a start and a stop take here."""

    groups: int = 100
    cores: float = 100
    creates_per_hour: int = 300
    start_seconds: float = 0.05
    grace_seconds: float = 30.0


class Quota:
    """The rest of each limit. The caller knows how much is in use."""

    def __init__(self, limits: RegionLimits) -> None:
        self._limits = limits
        self._created: deque[tuple[float, str]] = deque()

    def take(self, location: str, groups: int, cores: float, more_cores: float) -> None:
        """Count one creation. Raises ContainerGroupQuotaReached or TooManyRequests if a limit forbids it."""
        for name, limit, usage, more in (
            ("ContainerGroups", self._limits.groups, groups, 1),
            ("StandardCores", self._limits.cores, cores, more_cores),
        ):
            if usage + more > limit:
                raise ArmError(
                    409,
                    "ContainerGroupQuotaReached",
                    f"Resource type 'Microsoft.ContainerInstance/containerGroups' container group quota '{name}' "
                    f"exceeded in region '{location}'. Limit: '{limit:g}', Usage: '{usage:g}' Requested: '{more:g}'.",
                )
        now = time.monotonic()
        while self._created and self._created[0][0] < now - 3600:
            self._created.popleft()
        recent = [at for at, where in self._created if where == location]
        if len(recent) >= self._limits.creates_per_hour:
            wait = int(recent[0] + 3600 - now) + 1
            raise ArmError(
                429,
                "TooManyRequests",
                f"The request is being throttled as the limit of {self._limits.creates_per_hour} container group "
                f"creations per hour has been reached in region '{location}'. Please retry after {wait} seconds.",
                headers={"Retry-After": str(wait)},
            )
        self._created.append((now, location))

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
