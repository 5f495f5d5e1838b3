"""The twin of the service that counts changes."""

from dataclasses import dataclass, field

from pipeline_core.domain.errors import OverLimit
from pipeline_core.ports import Principal


@dataclass
class Rates:
    """Counts nothing, but `refusal` may be raised for everybody."""

    counted: list[str] = field(default_factory=list)
    refusal: OverLimit | None = None

    def count(self, caller: Principal) -> None:
        self.counted.append(caller.name)
        if self.refusal is not None:
            raise self.refusal
