"""Do many things one by one, so that the failure of one thing does not stop the others.

It must not hide anything: each failure is logged with its subject. It must not keep calling a service that is down.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline_core.domain.errors import FactoryError, TransientError
from pipeline_core.ports import Logs

_PATIENCE = 20  # transient errors of one run: more mean that the service behind the port fails, not one thing


@dataclass(slots=True, kw_only=True)
class Bulkhead:
    """One run over many things; `event` is the log line of a failure."""

    logs: Logs
    event: str
    failures: int = 0
    _transient: int = 0
    _first: FactoryError | None = field(default=None)

    def run(self, subject: str, work: Callable[[], bool]) -> bool:
        """The answer of `work`, False where it failed; raises TransientError after too many transient errors."""
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
        """The answer of a whole part of the run, 0 where it failed; `settle` raises the first error at the end."""
        try:
            return work()
        except FactoryError as error:
            self._note(name, error)
            self._first = self._first or error
            return 0

    def settle(self) -> None:
        """Raise the error of the first part that failed, so that the run counts as failed and comes again."""
        if self._first is not None:
            raise self._first

    def _note(self, subject: str, error: FactoryError) -> None:
        self.failures += 1
        self.logs.note(self.event, subject=subject, error=str(error)[:600])
