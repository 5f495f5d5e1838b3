"""All tables are lost at once, with the messages, and SecOps recover them: at most once in a story, at any moment.

What a recovery cannot know is forgiven for what was lost, and for nothing else: journals, the count of publishes of
an input whose build was under way, and who held which slot (docs/adr/0018).
"""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pipeline_core.domain.errors import FactoryError, TransientError, UnreadableRow
from pipeline_core.ports import TableWrite, WriteKind
from simulation.chapters.chapter import Chapter, Happening
from simulation.faults import Killed
from simulation.world import ADMIN

if TYPE_CHECKING:
    from simulation.story import SeedStory

_TABLES = ("images", "index", "capacity")
_TRIES = 200  # of one step of the recovery


class LostTables(Chapter):
    """One story in four loses its tables, half of them in the middle of the storm and half at rest."""

    name: ClassVar[str] = "lost-tables"
    rate: ClassVar[float] = 0.2
    needs_sweep: ClassVar[bool] = True  # the messages are lost too

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._left = chance.random() < 0.25
        self._waits_for_rest = chance.random() < 0.5

    def happenings(self) -> Sequence[Happening]:
        """At most one loss."""
        return ((1, self._lose),) if self._left and not self._waits_for_rest else ()

    def people_look(self) -> int:
        """SecOps find the tables gone on a quiet day."""
        if not self._left:
            return 0
        self._lose()
        return 1

    def _lose(self) -> None:
        self._left = False
        tables, queues = self.world.ports.tables, self.world.ports.queues
        for table in _TABLES:
            for row in reversed(tables.rows(table)):
                tables.write(table, [TableWrite(verb=WriteKind.DELETE, row=row)])
        for queue in queues.names():
            for message in queues.messages(queue):
                queues.delete(queue, message)
        self.world.forget()
        self._recover()

    def _recover(self) -> None:
        """As `imagefactory state recover` does: step by step, each repeated after an error that can pass."""
        after = ""
        while True:
            after = self._step(after)
            if not after:
                return

    def _step(self, after: str) -> str:
        for _ in range(_TRIES):
            try:
                report = self.world.factory.recovery.step(ADMIN, after, force=True)
            except (TransientError, UnreadableRow, Killed):
                self.story.wait()
                continue
            except FactoryError as error:
                self.world.blame(f"(12) lost tables were not recovered: {error}")
                return ""
            for problem in report.problems:
                self.world.blame(f"(12) {problem.image} was not recovered: {problem.message}")
            return report.after or ""
        raise RuntimeError(f"SecOps gave up recovering after {_TRIES} tries")
