"""Read, change, commit, and again where another writer was faster: how often, on what, and how it ends."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from pipeline_core.domain.errors import AlreadyExists, Contended, ErrorClass, FactoryError, StaleWrite
from pipeline_core.state.concurrency import PATIENCE, RACED, Unread, changing


@dataclass(kw_only=True)
class Row:
    """A row that others change: each commit raises the next error of `races`, and succeeds when none is left."""

    races: list[FactoryError] = field(default_factory=list)
    reads: int = 0
    committed: list[str] = field(default_factory=list)

    def read(self) -> str:
        self.reads += 1
        return f"version {self.reads}"

    def change(self, seen: str) -> str:
        if self.races:
            raise self.races.pop(0)
        self.committed.append(seen)
        return f"{seen}, changed"


def stale(times: int) -> list[FactoryError]:
    return [StaleWrite("changed") for _ in range(times)]


@pytest.mark.parametrize(
    ("races", "known", "reads", "committed"),
    [
        pytest.param([], Unread.UNREAD, 1, "version 1", id="nobody else writes"),
        pytest.param(stale(1), Unread.UNREAD, 2, "version 2", id="one writer was faster"),
        pytest.param(
            stale(PATIENCE - 1), Unread.UNREAD, PATIENCE, f"version {PATIENCE}", id="the last try succeeds"
        ),
        pytest.param([], "as read before", 0, "as read before", id="what is known is not read again"),
        pytest.param(stale(1), "as read before", 1, "version 1", id="what is known is used once only"),
    ],
)
def test_the_change_is_made_on_what_was_read_last(
    races: list[FactoryError], known: str | Unread, reads: int, committed: str
) -> None:
    row = Row(races=races)
    assert changing(row.read, row.change, subject="the row", known=known) == f"{committed}, changed"
    assert (row.reads, row.committed) == (reads, [committed])


def test_when_the_patience_is_used_up_the_error_names_subject_remedy_and_time() -> None:
    row = Row(races=stale(PATIENCE))
    with pytest.raises(Contended) as caught:
        changing(row.read, row.change, subject="app", remedy="ask again", retry_after=timedelta(seconds=1))
    assert str(caught.value) == "app is being changed by others: ask again"
    assert (caught.value.error_class, caught.value.retry_after) == (
        ErrorClass.CONFLICT,
        timedelta(seconds=1),
    )
    assert (row.reads, row.committed) == (PATIENCE, [])


@pytest.mark.parametrize(
    ("lost", "error", "tries"),
    [
        pytest.param(StaleWrite, StaleWrite("x"), 2, id="a stale write is a lost race"),
        pytest.param(StaleWrite, AlreadyExists("x"), 1, id="an insert that met a row is not, unless named"),
        pytest.param(RACED, AlreadyExists("x"), 2, id="an insert that met a row is, where named"),
        pytest.param(RACED, StaleWrite("x"), 2, id="a stale write is, where both are named"),
        pytest.param(RACED, FactoryError("x"), 1, id="any other error goes to the caller"),
    ],
)
def test_only_a_lost_race_is_tried_again(
    lost: type[FactoryError] | tuple[type[FactoryError], ...], error: FactoryError, tries: int
) -> None:
    row = Row(races=[error])

    def call() -> str:
        return changing(row.read, row.change, subject="the row", lost=lost)

    if tries == 1:
        with pytest.raises(type(error)):
            call()
    else:
        call()
    assert row.reads == tries
