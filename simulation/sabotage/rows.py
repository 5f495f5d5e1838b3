"""The rules of rows: unknown fields stay, and one row that cannot be read stops one row."""

import contextlib
from collections.abc import Iterator
from typing import Any

from pipeline_core.domain.builds import Failure
from pipeline_core.domain.errors import ErrorClass, UnreadableRow
from pipeline_core.services.builds.drive import Driver
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec
from simulation.sabotage.shape import Sabotage, replaced

_look = Driver._look


@contextlib.contextmanager
def _forgets_what_is_new() -> Iterator[None]:
    """A row is written with the fields that this release knows, and no other."""

    def text_alone(self: Codec[Any], old: object, value: object, text: str) -> str:
        return text

    with replaced(Codec, "_with_unknown", text_alone):
        yield


@contextlib.contextmanager
def _stops_at_every_row() -> Iterator[None]:
    """What reads many rows ends at the first one that it cannot read."""
    with replaced(Reader, "try_one", Reader.one), replaced(Reader, "many", _all_or_nothing):
        yield


def _all_or_nothing(self: Reader, table: str, rows: Any, codec: Codec[Any]) -> Iterator[Any]:
    return (self.one(table, row, codec) for row in rows)


@contextlib.contextmanager
def _fails_what_it_cannot_read() -> Iterator[None]:
    """A build fails where a row that it needs cannot be read."""

    def look(self: Driver, stored: Any) -> Any:
        try:
            return _look(self, stored)
        except UnreadableRow as error:
            return self.stopping.fail(stored, Failure(error_class=ErrorClass.INTERNAL, message=str(error)))

    with replaced(Driver, "_look", look):
        yield


RULES = (
    Sabotage(
        rule="rule-15-unknown-fields-stay", patch=_forgets_what_is_new, faults="light", chapters=("upgrades",)
    ),
    Sabotage(rule="rule-15-one-row", patch=_stops_at_every_row, faults="light", chapters=("upgrades",)),
    Sabotage(
        rule="rule-15-unknown-fails-nothing",
        patch=_fails_what_it_cannot_read,
        faults="light",
        chapters=("upgrades",),
    ),
)
