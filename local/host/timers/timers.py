"""Fires one timer in UTC, never two runs of it at once. It remembers its due times across restarts.

The decisions are pure functions of status and time. The status is a file; the real host has a blob. A timer that
fires more than once a minute is not monitored, as on the real host. There is one host, so there is no lock between
hosts.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.functions.timer import TimerRequest

from local.host.invocation import Invoker
from local.host.table import Function
from local.host.timers.ncrontab import Schedule

_MINUTE = timedelta(minutes=1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerStatus:
    """The last run of a timer (None: never), its next due time, and the moment from which that was computed."""

    last: datetime | None
    next: datetime
    updated: datetime


def first_status(schedule: Schedule, now: datetime) -> TimerStatus:
    """The status of a new timer."""
    return TimerStatus(last=None, next=schedule.next_after(now), updated=now)


def status_at_start(schedule: Schedule, stored: TimerStatus | None, now: datetime) -> TimerStatus:
    """The status to continue with. It is past due if its `next` is before now, except after a change of schedule."""
    if stored is None:
        return first_status(schedule, now)
    base = stored.last or stored.updated
    expected = schedule.next_after(base)
    if expected == stored.next:
        return stored
    if expected < now:
        return first_status(schedule, now)
    return TimerStatus(last=None, next=expected, updated=base)


def status_after_run(
    schedule: Schedule, status: TimerStatus, begun: datetime, *, on_schedule: bool
) -> TimerStatus:
    """The status after a run that began at `begun`."""
    # A clock may wake us a moment early. Computing from that moment would give the same time twice.
    last = max(begun, status.next) if on_schedule else begun
    return TimerStatus(last=last, next=schedule.next_after(last), updated=last)


def status_to_text(status: TimerStatus) -> str:
    """The content of the status file."""
    last = status.last.isoformat() if status.last else None
    return json.dumps(
        {"Last": last, "Next": status.next.isoformat(), "LastUpdated": status.updated.isoformat()}
    )


def status_from_text(text: str) -> TimerStatus:
    """The status in a file's content. Raises ValueError."""
    try:
        found = json.loads(text)
        last = found["Last"]
        return TimerStatus(
            last=datetime.fromisoformat(last) if last else None,
            next=datetime.fromisoformat(found["Next"]),
            updated=datetime.fromisoformat(found["LastUpdated"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"no timer status: {error}") from error


def utc_now() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)


class TimerListener:
    """One timer. `folder` holds the status files; `now` is the clock."""

    def __init__(
        self,
        *,
        function: Function,
        schedule: Schedule,
        invoker: Invoker,
        folder: Path,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._function = function
        self._schedule = schedule
        self._invoker = invoker
        self._file = folder / f"{function.name}.json"
        self._now = now
        self._one_at_a_time = asyncio.Lock()
        self._stopping = asyncio.Event()

    @property
    def name(self) -> str:
        """The function's name."""
        return self._function.name

    def stop(self) -> None:
        """Stop firing. `run` returns after the end of the current run."""
        self._stopping.set()

    async def run(self) -> None:
        """Fire until stopped."""
        is_monitored = self._function.binding.get(
            "useMonitor"
        ) is not False and not self._schedule.is_faster_than(_MINUTE, self._now())
        status = status_at_start(self._schedule, self._load() if is_monitored else None, self._now())
        if is_monitored:
            self._save(status)
        if status.next < self._now():
            status = await self._fire(status, past_due=True, on_schedule=False, is_monitored=is_monitored)
        elif self._function.binding.get("runOnStartup") is True:
            status = await self._fire(status, past_due=False, on_schedule=False, is_monitored=is_monitored)
        while not await self._is_stopped_before(status.next):
            status = await self._fire(status, past_due=False, on_schedule=True, is_monitored=is_monitored)

    async def run_now(self) -> None:
        """Make one run outside the schedule, after the end of the current run if there is one."""
        async with self._one_at_a_time:
            await self._invoke(None, past_due=False, reason="admin")

    async def _fire(
        self, status: TimerStatus, *, past_due: bool, on_schedule: bool, is_monitored: bool
    ) -> TimerStatus:
        async with self._one_at_a_time:
            begun = self._now()
            await self._invoke(
                status if is_monitored else None,
                past_due=past_due,
                reason="timer past due" if past_due else "timer" if on_schedule else "timer at start",
            )
        later = status_after_run(self._schedule, status, begun, on_schedule=on_schedule)
        if is_monitored:
            self._save(later)
        return later

    async def _invoke(self, status: TimerStatus | None, *, past_due: bool, reason: str) -> None:
        request = TimerRequest(
            past_due=past_due,
            schedule_status=json.loads(status_to_text(status)) if status else None,
            schedule={"AdjustForDST": True},
        )
        await self._invoker.invoke(self._function, request, reason=reason)

    async def _is_stopped_before(self, moment: datetime) -> bool:
        """Wait until `moment`. True if a stop came first. A moment in the past needs no wait."""
        if self._stopping.is_set():
            return True
        while (seconds := (moment - self._now()).total_seconds()) > 0:
            try:
                await asyncio.wait_for(self._stopping.wait(), seconds)
                return True
            except TimeoutError:
                continue
        return self._stopping.is_set()

    def _load(self) -> TimerStatus | None:
        try:
            return status_from_text(self._file.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            _log.warning("the status of timer %s starts again without its history: %s", self.name, error)
            return None

    def _save(self, status: TimerStatus) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_suffix(".partial")
        partial.write_text(status_to_text(status), "utf-8")
        partial.replace(self._file)
