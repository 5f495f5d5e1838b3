"""The region that container groups run in: its hourly budget of creations, and who keeps asking while it is used up."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline_core.adapters.memory.containers import MemoryContainers
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.ports import NewContainerGroup
from simulation.faults import Injector, Kind

EDGE = timedelta(minutes=2)  # of a wait, in which a host whose clock is fast may believe that it is over


@dataclass(slots=True, kw_only=True)
class BudgetedContainers(MemoryContainers):
    """Container groups of a region. Another client may have used up this hour's creations.

    The region then says how long to wait. `pestered` counts the requests that came meanwhile, by its first refusal.
    """

    injector: Injector
    puts: int = 0  # creations that had an effect, restarts included
    pestered: Counter[datetime] = field(default_factory=Counter)
    _hours: dict[str, bool] = field(default_factory=dict)
    _refused: tuple[datetime, datetime] | None = None  # the first refusal of an hour, and until when it lasts

    def create_group(self, new: NewContainerGroup) -> None:
        """As `ports.Containers`. Refused for the rest of the hour if the hourly budget is used up."""
        now = self.clock.now()
        hour = f"{now:%Y%m%d%H}"
        if hour not in self._hours:
            kind, _ = self.injector.draw(f"creations in {hour}", (Kind.EXHAUSTED,))
            self._hours[hour] = kind is Kind.EXHAUSTED
        if self._hours[hour] and self.injector.enabled:
            rest = timedelta(minutes=60 - now.minute)
            self._note_refusal(now, now + rest)
            text = "ContainerGroupCreationRateLimit: this hour's creations are used up (injected)"
            raise TransientError(ErrorClass.THROTTLED, text, retry_after=rest)
        MemoryContainers.create_group(self, new)
        self.puts += 1

    def _note_refusal(self, now: datetime, until: datetime) -> None:
        if self._refused is None or now >= self._refused[1]:
            self._refused = now, until
        elif now < self._refused[1] - EDGE:
            self.pestered[self._refused[0]] += 1
