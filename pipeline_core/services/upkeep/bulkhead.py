"""Do many things one by one, so that the failure of one thing does not stop the others, nor one slow part the rest.

It must not hide anything: each failure is logged with its subject, and a part that was cut short with its name. It
must not keep calling a service that is down.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline_core.domain.errors import FactoryError, TransientError
from pipeline_core.ports import Clock, Logs

_PATIENCE = 20  # transient errors of one run: more mean that the service behind the port fails, not one thing
# Of one part. The sweep has a dozen parts, and functionTimeout in host.json is ten minutes for all of them together
# with the reaper. A part that uses all of its time is rare, and two such parts in one run are rarer.
PART_LIMIT = timedelta(seconds=90)


@dataclass(slots=True, kw_only=True)
class Bulkhead:
    """One run over many things; `event` is the log line of a failure."""

    logs: Logs
    clock: Clock
    event: str
    failures: int = field(default=0, init=False)
    postponed: int = field(default=0, init=False)  # things that a part had no time for
    _transient: int = field(default=0, init=False)
    _until: datetime | None = field(default=None, init=False)
    _first: FactoryError | None = field(default=None, init=False)

    def run(self, subject: str, work: Callable[[], bool]) -> bool:
        """The answer of `work`, False where it failed, or where the part's time is over.

        Raises TransientError after too many transient errors.
        """
        if self._until is not None and self.clock.now() > self._until:
            self.postponed += 1
            return False
        try:
            return work()
        except FactoryError as error:
            self._note(subject, error)
            if isinstance(error, TransientError):
                self._transient += 1
                if self._transient > _PATIENCE:
                    raise
            return False

    def part(self, name: str, work: Callable[[], int]) -> int:
        """The answer of a whole part of the run, 0 where it failed; `settle` raises the first error at the end.

        After PART_LIMIT, the part does nothing more: the next run does the rest.
        """
        before, around = self.postponed, self._until
        self._until = self.clock.now() + PART_LIMIT
        try:
            return work()
        except FactoryError as error:
            self._note(name, error)
            self._first = self._first or error
            return 0
        finally:
            self._until = around  # a part may be inside another one
            if self.postponed > before:
                self.logs.note("part-cut-short", subject=name, count=self.postponed - before)

    def settle(self) -> None:
        """Raise the error of the first part that failed, so that the run counts as failed and comes again."""
        if self._first is not None:
            raise self._first

    def _note(self, subject: str, error: FactoryError) -> None:
        self.failures += 1
        self.logs.note(self.event, subject=subject, error=str(error)[:600])
