"""Container groups in memory. A test sets what they do. As on Azure, a second create restarts a group."""

import bisect
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline_core.domain.attempts import BUILD_TAG
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.ports import Clock, ContainerGroup, GroupState, NewContainerGroup

UNLIMITED = 1_000_000  # deletions: where a test states no limit
HOUR, BURST = timedelta(hours=1), timedelta(minutes=5)  # in which Azure counts deletions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    wanted: NewContainerGroup
    shown: ContainerGroup
    starts: int = 1
    gone_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class MemoryContainers:
    """Container groups with a quota.

    `limit` is the quota of groups. `deletion` is the time that a deletion takes. `created` counts creations.
    `asked` holds the moments of all requests to delete a group, and
    `refused` counts those that the region did not allow: it allows `deletes_per_hour` in any hour, and
    `deletes_per_burst` in any five minutes, each shorter by `skew`. A request for a group that is being deleted counts.
    """

    clock: Clock
    limit: int = 100
    deletion: timedelta = timedelta(0)
    deletes_per_hour: int = UNLIMITED
    deletes_per_burst: int = UNLIMITED
    skew: timedelta = timedelta(0)
    created: int = 0
    refused: int = 0
    asked: dict[str, list[datetime]] = field(default_factory=dict)
    _deleted: deque[datetime] = field(default_factory=deque)  # of the last hour
    _groups: dict[str, _Group] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)  # of every group, in order
    _going: set[str] = field(default_factory=set)  # groups that are being deleted
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def find_group(self, name: str) -> ContainerGroup | None:
        """The group, or None."""
        found = self._look(name)
        return None if found is None else found.shown

    def create_group(self, new: NewContainerGroup) -> None:
        """Create a group. As on Azure, an existing group is restarted, and an ended one cannot be changed."""
        with self._lock:
            before = self._look(new.name)
            if before is None:
                if len(self.names()) >= self.limit:
                    raise TransientError(ErrorClass.QUOTA, f"{self.limit} container groups are the limit")
                self.created += 1
                shown = ContainerGroup(name=new.name, state=GroupState.STARTING, tags=dict(new.tags))
                self._groups[new.name] = _Group(wanted=new, shown=shown)
                bisect.insort(self._names, new.name)
                return
            if before.gone_at is not None or before.shown.state is GroupState.STARTING:
                raise TransientError(ErrorClass.CONFLICT, f"{new.name} is still transitioning")
            ended = before.shown.state in (GroupState.SUCCEEDED, GroupState.FAILED)
            same = (before.wanted.environment, before.wanted.secrets) == (new.environment, new.secrets)
            if ended and not same:
                raise PermanentError(ErrorClass.TEMPLATE, f"{new.name} has ended: delete it, then create it")
            shown = ContainerGroup(name=new.name, state=GroupState.STARTING, tags=dict(new.tags))
            self._groups[new.name] = _Group(wanted=new, shown=shown, starts=before.starts + 1)

    def delete_group(self, name: str) -> None:
        """Start the deletion and return. A group that is gone is not an error."""
        with self._lock:
            found = self._look(name)
            if found is None:
                return
            self.asked.setdefault(name, []).append(self.clock.now())
            self._demand_deletion(name)
            if found.gone_at is None:
                self._groups[name] = replace(found, gone_at=self.clock.now() + self.deletion)
                self._going.add(name)

    def _demand_deletion(self, name: str) -> None:
        now = self.clock.now()
        while self._deleted and self._deleted[0] <= now - HOUR:
            self._deleted.popleft()
        for limit, span in ((self.deletes_per_hour, HOUR), (self.deletes_per_burst, BURST)):
            recent = [at for at in self._deleted if at > now - span + self.skew]
            if len(recent) >= limit:
                self.refused += 1
                text = f"delete {name}: the region allows {limit} deletions in {span}"
                raise TransientError(ErrorClass.THROTTLED, text, retry_after=recent[-limit] + span - now)
        self._deleted.append(now)

    def list_groups(self) -> Sequence[ContainerGroup]:
        """Every group with our build tag, for the list of resources and for the rules of the simulation."""
        looked = [self._look(name) for name in self.names()]
        return [found.shown for found in looked if found is not None and BUILD_TAG in found.shown.tags]

    def set_state(
        self, name: str, state: GroupState, *, exit_code: int | None = None, detail: str = ""
    ) -> None:
        """Set the next state of the container, for a test or the simulation. Raises KeyError."""
        with self._lock:
            found = self._groups[name]
            shown = replace(found.shown, state=state, exit_code=exit_code, detail=detail)
            self._groups[name] = replace(found, shown=shown)

    def names(self) -> list[str]:
        """The names of the existing groups."""
        with self._lock:
            for name in sorted(self._going):
                self._look(name)
            return list(self._names)

    def wanted(self, name: str) -> NewContainerGroup:
        """The group as it was requested. Raises KeyError."""
        return self._groups[name].wanted

    def starts(self, name: str) -> int:
        """The number of starts of the group's container."""
        return self._groups[name].starts

    def _look(self, name: str) -> _Group | None:
        with self._lock:
            found = self._groups.get(name)
            if found is None or found.gone_at is None or self.clock.now() < found.gone_at:
                return found
            del self._groups[name]
            del self._names[bisect.bisect_left(self._names, name)]
            self._going.discard(name)
            return None
