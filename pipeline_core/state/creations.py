"""The rows that count creations and deletions of container groups: from cells to the domain's value and back.

One row of each serves the whole factory. They are in the partition of the slots, so that one transaction takes a slot
and a creation. The next call removes the minutes that no limit needs any more, so a row does not grow.
"""

from datetime import datetime

from pipeline_core.domain.creations import Spent
from pipeline_core.ports import Cell, Row

KEY = "spent"  # sorts between the slots and the teams: one scan reads all three
HALTED = "halted"  # the cell that says that SecOps have paused the factory (`state.pauses`)
DELETIONS = "deleted"  # sorts before the slots, so that no pass of the dispatcher reads it


def read(row: Row | None) -> Spent:
    """The calls so far. Zero if there is no row."""
    if row is None:
        return Spent()
    pairs = [each.split(":") for each in str(row.cells["minutes"]).split()]
    paused = str(row.cells["paused_until"])
    return Spent(
        minutes=tuple((int(minute), int(count)) for minute, count in pairs),
        starts=int(row.cells["starts"]),
        paused_until=datetime.fromisoformat(paused) if paused else None,
        is_halted=bool(row.cells.get(HALTED)),
    )


def cells(spent: Spent) -> dict[str, Cell]:
    """The cells to write. A pause of SecOps is not among them: each writer keeps the row's other cells."""
    return {
        "minutes": " ".join(f"{minute}:{count}" for minute, count in spent.minutes),
        "starts": spent.starts,
        "paused_until": "" if spent.paused_until is None else spent.paused_until.isoformat(),
    }
