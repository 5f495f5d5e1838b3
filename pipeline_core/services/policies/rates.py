"""Count the changes that a caller asks for, and refuse those over the limit. What is read is never counted.

The count holds over all instances. It protects the factory and must not stop it: where it cannot be read or written,
the change goes on. A change that loses the race against others of its caller eight times is refused, because a crowd of
changes would else be a way around the count.
"""

from dataclasses import dataclass
from datetime import timedelta

from pipeline_core.domain import change_rates
from pipeline_core.domain.change_rates import ChangeRate
from pipeline_core.domain.errors import Contended, FactoryError, OverLimit
from pipeline_core.domain.team_limits import DEFAULTS
from pipeline_core.ports import Clock, Logs, Principal
from pipeline_core.services.policies.policy import Policies
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.limits.rates import RateStore
from pipeline_core.state.records import Stored

_SOON = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRates:
    """A change costs two point reads and one write; a refused one costs the reads."""

    policies: Policies
    rates: RateStore
    clock: Clock
    logs: Logs

    def count(self, caller: Principal) -> None:
        """Count one change of the caller. Raises OverLimit, with the time to wait, where there were too many."""
        identity = caller.actor.identity
        if identity is None:
            return
        most = self._most()
        try:
            wait = changing(
                lambda: self.rates.find(identity),
                lambda stored: self._count(identity, stored, most),
                subject="the count of your changes",
                lost=RACED,
            )
        except Contended as error:
            raise OverLimit("you send many changes at the same moment", retry_after=_SOON) from error
        except FactoryError as error:
            self.logs.note("rate-not-counted", actor=identity, error=str(error)[:500])
            return
        if wait:
            text = f"you have made {most} changes within a minute, the most for one caller (`limits.changesPerMinute`)"
            raise OverLimit(text, retry_after=wait)

    def _count(self, identity: str, stored: Stored[ChangeRate] | None, most: int) -> timedelta:
        before = None if stored is None else stored.value
        after, wait = change_rates.after_change(before, self.clock.now(), most)
        if not wait:
            self.rates.save(identity, after, etag=None if stored is None else stored.etag)
        return wait

    def _most(self) -> int:
        """The limit in force. A policy that cannot be read must not keep SecOps from repairing it."""
        try:
            return self.policies.usable().limits.changes_per_minute
        except FactoryError:
            return DEFAULTS.changes_per_minute
