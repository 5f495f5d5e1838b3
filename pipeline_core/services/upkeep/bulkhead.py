"""Do many things one by one, so that what is broken about one of them does not keep the others waiting.

It must not hide anything: each failure is logged with its subject, and a service that is down is not asked on.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline_core.domain.errors import FactoryError, TransientError
from pipeline_core.ports import Logs

_PATIENCE = 20  # transient errors of one run: by then it is the service behind the port, and not the thing


@dataclass(slots=True, kw_only=True)
class Bulkhead:
    """One run over many things; `event` is the log line of a failure."""

    logs: Logs
    event: str
    failures: int = 0
    _transient: int = 0
    _first: FactoryError | None = field(default=None)

    def run(self, subject: str, work: Callable[[], bool]) -> bool:
        """What `work` answers, False where it failed; raises TransientError once too many have."""
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
        """A whole part of the run, 0 where it failed; `settle` raises its error at the end."""
        try:
            return work()
        except FactoryError as error:
            self._note(name, error)
            self._first = self._first or error
            return 0

    def settle(self) -> None:
        """Raise the error of the first part that failed: the run is to be seen as failed, and comes again."""
        if self._first is not None:
            raise self._first

    def _note(self, subject: str, error: FactoryError) -> None:
        self.failures += 1
        self.logs.note(self.event, subject=subject, error=str(error)[:600])
