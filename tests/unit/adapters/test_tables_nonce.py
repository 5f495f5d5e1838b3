"""Rule 3 of the engine without a server: what the nonce is for.

On Azurite the same is shown by `tests/contract/test_tables_lost_answers.py`.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.exceptions import ServiceResponseError
from azure.data.tables import TableEntity

from pipeline_core.adapters.azure import tables
from pipeline_core.domain.errors import AlreadyExists, TransientError
from pipeline_core.ports import Row, TableWrite, WriteKind
from tests.unit.adapters.azure_answers import Storage

EXISTS = Storage(
    status=409, code="EntityAlreadyExists", message="The specified entity already exists."
).raised()
ABSENT = Storage(
    status=404, code="ResourceNotFound", message="The specified resource does not exist."
).raised()
INSERT = TableWrite(verb=WriteKind.INSERT, row=Row(partition="p", key="k", cells={"n": 1}))


@dataclass(slots=True)
class _Wire:
    """The service behind a client that tries again by itself when an answer is lost."""

    lost: int = 0  # answers that are lost from now on
    rows: dict[tuple[str, str], TableEntity] = field(default_factory=dict)
    tries_again: bool = True

    def get_table_client(self, name: str) -> "_Wire":
        return self

    def get_entity(self, partition: str, key: str) -> TableEntity:
        if (partition, key) not in self.rows:
            raise ABSENT
        return self.rows[partition, key]

    def create_entity(self, entity: dict[str, Any]) -> dict[str, str]:
        place = (entity["PartitionKey"], entity["RowKey"])
        if place in self.rows:
            raise EXISTS
        stored = TableEntity(entity)
        stored._metadata = {"etag": f"etag-{len(self.rows)}", "timestamp": None}
        self.rows[place] = stored
        if not self.lost:
            return {"etag": f"etag-{len(self.rows) - 1}"}
        self.lost -= 1
        if not self.tries_again:
            raise ServiceResponseError("the connection was cut")
        return self.create_entity(entity)


@dataclass(slots=True)
class _Chance:
    """Nonces that a test can tell apart, or that are all the same."""

    is_constant: bool = False
    given: int = 0

    def nonce(self) -> str:
        self.given += 0 if self.is_constant else 1
        return f"nonce-{self.given}"

    def fraction(self) -> float:
        return 0.5


def _adapter(wire: _Wire, chance: _Chance | None = None) -> tables.AzureTables:
    return tables.AzureTables(wire, chance or _Chance())  # type: ignore[arg-type]  # what the adapter uses of it


@pytest.mark.parametrize("tries_again", [True, False], ids=["conflicts with itself", "no answer at all"])
def test_an_insert_whose_first_answer_was_lost_is_known_as_our_own(tries_again: bool) -> None:
    wire = _Wire(lost=1, tries_again=tries_again)
    assert _adapter(wire).write("t", [INSERT]) == ["etag-0"]
    assert len(wire.rows) == 1


@pytest.mark.parametrize(
    ("tries_again", "error"), [(True, AlreadyExists), (False, TransientError)], ids=["conflict", "no answer"]
)
def test_without_the_nonce_the_same_insert_is_taken_for_somebody_elses(
    tries_again: bool, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = tables._entity

    def without(row: Row, nonce: str) -> dict[str, Any]:
        return {name: value for name, value in keep(row, nonce).items() if name != tables._NONCE}

    monkeypatch.setattr(tables, "_entity", without)
    wire = _Wire(lost=1, tries_again=tries_again)
    with pytest.raises(error):
        _adapter(wire).write("t", [INSERT])
    assert len(wire.rows) == 1  # although it is there


def test_the_same_row_of_another_writer_is_never_taken_for_ours() -> None:
    wire, chance = _Wire(), _Chance()
    _adapter(wire, chance).write("t", [INSERT])
    with pytest.raises(AlreadyExists):
        _adapter(wire, chance).write("t", [INSERT])


def test_with_one_nonce_for_all_two_writers_would_both_believe_that_the_row_is_theirs() -> None:
    wire, chance = _Wire(), _Chance(is_constant=True)
    assert _adapter(wire, chance).write("t", [INSERT]) == _adapter(wire, chance).write("t", [INSERT])
