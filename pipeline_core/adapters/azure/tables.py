"""Azure Tables: every write conditional on its ETag. A conflict is confirmed by a read of the rows.

Each written row carries a nonce in a cell that callers never see. An answer can be lost on its way. Then our
own write looks like another writer's. A row that holds our nonce shows that the write was ours.
"""

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.data.tables import (
    EdmType,
    EntityProperty,
    TableClient,
    TableEntity,
    TableServiceClient,
    TransactionOperation,
    UpdateMode,
)

from pipeline_core.adapters import limits
from pipeline_core.adapters.azure import errors
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, StaleWrite
from pipeline_core.ports import Cell, Chance, Row, TableWrite, WriteKind

_NONCE = "_nonce"  # a caller's cell cannot begin with an underscore
_KEYS = frozenset({"PartitionKey", "RowKey", _NONCE})
_PAGE = 1000  # rows that the service returns at once
_REPLACED = "W/\"datetime'1601-01-01T00%3A00%3A00.0000000Z'\""  # a valid form, but never the ETag of a row


class AzureTables:
    """The tables exist already. Rows are found by partition and key."""

    def __init__(self, service: TableServiceClient, chance: Chance) -> None:
        self._service = service
        self._chance = chance
        self._clients: dict[str, TableClient] = {}
        self._lock = threading.Lock()

    def find(self, table: str, partition: str, key: str) -> Row | None:
        """The row, or None."""
        entity = self._find(table, partition, key)
        return None if entity is None else _row(entity)

    def scan(
        self,
        table: str,
        partition: str,
        *,
        first: str = "",
        last: str = "",
        limit: int = 1000,
        select: Sequence[str] = (),
    ) -> Sequence[Row]:
        """Rows of one partition with `first` <= key < `last` (empty: unbounded), by key, at most `limit`.

        With `select`, with these cells only, and without an ETag.
        """
        words = ["PartitionKey eq @partition"]
        words += ["RowKey ge @first"] if first else []
        words += ["RowKey lt @last"] if last else []
        with errors.translated(f"scan {table}/{partition}"):
            found = self._client(table).query_entities(
                " and ".join(words),
                parameters={"partition": partition, "first": first, "last": last},
                results_per_page=min(limit, _PAGE),
                select=["PartitionKey", "RowKey", *select] if select else None,
            )
            read = _part if select else _row
            return [read(entity) for entity in itertools.islice(found, limit)]

    def write(self, table: str, writes: Sequence[TableWrite]) -> Sequence[str]:
        """Apply all writes or none. Raises AlreadyExists, StaleWrite."""
        limits.check_writes(table, writes)
        nonce = self._chance.nonce()
        try:
            return self._send(self._client(table), writes, nonce)
        except AzureError as error:
            landed = None if errors.is_definite(error) else self._landed(table, writes, nonce, error)
            if landed is not None:
                return landed
            what = f"write {table}/{writes[0].row.partition}/{writes[0].row.key}"
            ours = errors.translate(error, f"{what} and {len(writes) - 1} more")
            if isinstance(ours, NotFound) and errors.is_absent(error):
                raise StaleWrite(str(ours)) from error
            raise ours from error

    def _send(self, client: TableClient, writes: Sequence[TableWrite], nonce: str) -> list[str]:
        if len(writes) > 1 or writes[0].verb is WriteKind.DELETE:
            # A single deletion too: `delete_entity` reports nothing if the row is gone.
            answers = client.submit_transaction([_operation(write, nonce) for write in writes])
            return [_etag(write, answer) for write, answer in zip(writes, answers, strict=True)]
        row = writes[0].row
        if writes[0].verb is WriteKind.INSERT:
            return [str(client.create_entity(_entity(row, nonce))["etag"])]
        answer = client.update_entity(
            _entity(row, nonce),
            mode=UpdateMode.REPLACE,
            etag=row.etag,
            match_condition=MatchConditions.IfNotModified,
        )
        return [str(answer["etag"])]

    def _landed(
        self, table: str, writes: Sequence[TableWrite], nonce: str, error: AzureError
    ) -> list[str] | None:
        """The new ETags if these writes took place although the answer said otherwise. None if they did not."""
        partition = writes[0].row.partition
        stored = [self._find(table, partition, write.row.key) for write in writes]
        if all(write.verb is WriteKind.DELETE for write in writes):
            # After a refusal, absent rows do not prove that our deletion took place: another writer may have
            # deleted them.
            is_answered = errors.status_of(error) in (404, 409, 412)
            return None if is_answered or any(stored) else ["" for _ in writes]
        if not any(entity is not None and entity.get(_NONCE) == nonce for entity in stored):
            return None
        return [
            "" if write.verb is WriteKind.DELETE else _etag_of_ours(entity, nonce)
            for write, entity in zip(writes, stored, strict=True)
        ]

    def _find(self, table: str, partition: str, key: str) -> TableEntity | None:
        try:
            return self._client(table).get_entity(partition, key)
        except AzureError as error:
            if errors.is_absent(error):
                return None
            raise errors.translate(error, f"read {table}/{partition}/{key}") from error

    def _client(self, table: str) -> TableClient:
        with self._lock:
            if table not in self._clients:
                self._clients[table] = self._service.get_table_client(table)
            return self._clients[table]


def _entity(row: Row, nonce: str) -> dict[str, Any]:
    return {
        "PartitionKey": row.partition,
        "RowKey": row.key,
        _NONCE: nonce,
        **{name: _stored(value) for name, value in row.cells.items()},
    }


def _stored(value: Cell) -> object:
    """Integers always have 64 bits: the service keeps two kinds, and a filter distinguishes them."""
    if isinstance(value, int) and not isinstance(value, bool):
        return EntityProperty(value, EdmType.INT64)
    return value


def _operation(write: TableWrite, nonce: str) -> tuple[TransactionOperation, dict[str, Any], dict[str, Any]]:
    condition = {"etag": write.row.etag, "match_condition": MatchConditions.IfNotModified}
    match write.verb:
        case WriteKind.INSERT:
            return TransactionOperation.CREATE, _entity(write.row, nonce), {}
        case WriteKind.REPLACE:
            return (
                TransactionOperation.UPDATE,
                _entity(write.row, nonce),
                {"mode": UpdateMode.REPLACE, **condition},
            )
        case WriteKind.DELETE:
            keys = {"PartitionKey": write.row.partition, "RowKey": write.row.key}
            return TransactionOperation.DELETE, keys, condition


def _etag(write: TableWrite, answer: Mapping[str, Any]) -> str:
    return "" if write.verb is WriteKind.DELETE else str(answer["etag"])


def _etag_of_ours(entity: TableEntity | None, nonce: str) -> str:
    """The row's ETag. A row that was written again since then gets an ETag that matches nothing.

    So the next write must read the row.
    """
    if entity is None or entity.get(_NONCE) != nonce:
        return _REPLACED
    return str(entity.metadata["etag"])


def _row(entity: TableEntity) -> Row:
    return replace(_part(entity), etag=str(entity.metadata["etag"]))


def _part(entity: TableEntity) -> Row:
    """The selected cells. The service may name a selected cell that the row does not have: it is null then."""
    cells = {
        name: _cell(name, value) for name, value in entity.items() if name not in _KEYS and value is not None
    }
    return Row(partition=str(entity["PartitionKey"]), key=str(entity["RowKey"]), cells=cells)


def _cell(name: str, value: object) -> Cell:
    plain = value.value if isinstance(value, EntityProperty) else value
    if isinstance(plain, str | int | bool):
        return plain
    raise PermanentError(
        ErrorClass.TEMPLATE,
        f"the cell {name} holds a {type(plain).__name__}: it is not a row of this factory",
    )
