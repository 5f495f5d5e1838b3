"""The lineage of the fleet: the one ledger that all moves pass, the images without a place, and each image's last move.

The rows of the ledger and of the faults share a partition of the index. The last move of an image is in the image's
own partition, because it is written in one transaction with the image.
"""

from dataclasses import dataclass
from datetime import datetime

from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.domain.lineage import NO_MOVES, LineageFault, Move, MoveLedger
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Tables, TableWrite, WriteKind
from pipeline_core.state.images import TABLE as IMAGES
from pipeline_core.state.index import TABLE
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored
from pipeline_core.state.rows import scan

_PARTITION, _LEDGER, _FAULT = "lineage", "ledger", "fault:"
_MOVE = "move"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedMove:
    """The last move of an image that was decided: done with the image's own write, or given up before it."""

    number: int
    is_done: bool
    at: datetime


LEDGERS = Codec(MoveLedger)
FAULTS = Codec(LineageFault)
DECIDED = Codec(DecidedMove)


class LineageStore:
    """The ledger has one row, so that one move at a time is added, on that row's ETag."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find_ledger(self) -> Stored[MoveLedger] | None:
        """The ledger, or None before the first move."""
        row = self._tables.find(TABLE, _PARTITION, _LEDGER)
        return self._reader.found(TABLE, row, LEDGERS)

    def save_ledger(self, ledger: MoveLedger, *, etag: str | None) -> None:
        """Insert (`etag` None) or replace. Raises StaleWrite where another move was faster."""
        try:
            self._tables.write(TABLE, [LEDGERS.write(_PARTITION, _LEDGER, ledger, etag=etag)])
        except AlreadyExists as error:
            raise StaleWrite("another move has just begun: read the ledger again") from error

    def find_decided(self, image: ImageName) -> Stored[DecidedMove] | None:
        """The image's last decided move, or None."""
        row = self._tables.find(IMAGES, str(image), _MOVE)
        return self._reader.found(IMAGES, row, DECIDED)

    def read(self) -> tuple[MoveLedger, dict[ImageName, LineageFault]]:
        """The ledger and the faults, by one read."""
        ledger, faults = NO_MOVES, {}
        for row in scan(self._tables, TABLE, _PARTITION):
            if row.key == _LEDGER:
                # Who only looks goes on without it; a move reads it by `find_ledger`, and waits.
                stored = self._reader.try_one(TABLE, row, LEDGERS)
                ledger = ledger if stored is None else stored.value
            else:
                fault = self._reader.try_one(TABLE, row, FAULTS)
                if fault is not None:
                    faults[fault.value.problem.image] = fault.value
        return ledger, faults

    def faults(self) -> dict[ImageName, LineageFault]:
        """The images that are known to have no place in the forest."""
        return self.read()[1]

    def find_fault(self, image: ImageName) -> LineageFault | None:
        """What is recorded about one image, or None."""
        row = self._tables.find(TABLE, _PARTITION, f"{_FAULT}{image}")
        fault = self._reader.found(TABLE, row, FAULTS)
        return None if fault is None else fault.value

    def add_fault(self, fault: LineageFault) -> bool:
        """Record a fault; False where the image has one already."""
        key = f"{_FAULT}{fault.problem.image}"
        try:
            self._tables.write(TABLE, [FAULTS.write(_PARTITION, key, fault, etag=None)])
        except AlreadyExists:
            return False
        return True

    def remove_fault(self, image: ImageName) -> None:
        """Safe to repeat."""
        row = self._tables.find(TABLE, _PARTITION, f"{_FAULT}{image}")
        if row is None:
            return
        try:
            self._tables.write(TABLE, [TableWrite(verb=WriteKind.DELETE, row=row)])
        except StaleWrite:
            return


def put_decided(move: Move, last: Stored[DecidedMove] | None, *, is_done: bool, at: datetime) -> TableWrite:
    """Decide a move in the image's partition. Only one of two writers that read the same `last` succeeds."""
    decided = DecidedMove(number=move.number, is_done=is_done, at=at)
    return DECIDED.write(str(move.image), _MOVE, decided, etag=None if last is None else last.etag)
