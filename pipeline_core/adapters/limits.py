"""The limits of the storage services, checked before anything is sent. Azure and memory share these refusals.

The limits are Azure's (Table service data model; Queue service: 64 KiB of base64; "Performing entity group
transactions": 100 writes and 4 MiB in all). It knows no client.
"""

import json
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from datetime import timedelta

from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.ports import Cell, Row, TableWrite, WriteKind

MESSAGE_BYTES = 48 * 1024  # 64 KiB in base64
LONGEST_DELAY = timedelta(days=7)
WRITES = 100  # in one transaction
TRANSACTION_BYTES = 4 * 1024 * 1024  # of the request: the JSON of every row, and the headers of every write
_ENVELOPE_BYTES = 768  # of one write: its part of the request, without its keys and cells
_TYPE_BYTES = 40  # of one cell: quotes, commas and the name of its type
_TEXT_UNITS = 32 * 1024  # UTF-16 units of one cell
_ROW_BYTES = 1024 * 1024
_KEY_UNITS = 512
_CELLS = 251  # 255 properties, without the three system ones and our nonce
_INT64 = 2**63
_FORBIDDEN = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_CELL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}", re.ASCII)
_SYSTEM = frozenset({"PartitionKey", "RowKey", "Timestamp"})


def check_writes(table: str, writes: Sequence[TableWrite]) -> None:
    """Raise PermanentError (POLICY) if the table service would refuse these writes whatever the table holds."""
    if not 1 <= len(writes) <= WRITES:
        raise _refused(f"{len(writes)} writes to {table}: a transaction has 1 to {WRITES}")
    if len({write.row.partition for write in writes}) > 1:
        raise _refused(f"writes to {table} span several partitions: a transaction stays in one")
    if len({write.row.key for write in writes}) < len(writes):
        raise _refused(f"two writes to one row of {table} in {writes[0].row.partition}: give one per row")
    for write in writes:
        _check_row(table, write)
    _check_size(table, writes)


def check_message(queue: str, text: str, delay: timedelta) -> None:
    """Raise PermanentError (POLICY) if the queue service would refuse the message."""
    size = len(text.encode())
    if size > MESSAGE_BYTES:
        raise _refused(f"a message to {queue} has {size} bytes, at most {MESSAGE_BYTES} fit: send a pointer")
    if not timedelta(0) <= delay <= LONGEST_DELAY:
        raise _refused(f"a delay of {delay} on {queue}: give 0 to {LONGEST_DELAY.days} days")


def _check_size(table: str, writes: Sequence[TableWrite]) -> None:
    """The whole request counts, so texts count as they are sent: a character beyond ASCII is 6 bytes or more in JSON.

    The size is never below that of the request. A transaction just below the limit may be refused.
    """
    if len(writes) == 1:
        return  # one row of at most 1 MiB is below 4 MiB in any form
    if sum(_most_bytes(write) for write in writes) <= TRANSACTION_BYTES:
        return  # nearly every transaction is far below the limit, so its texts need not be encoded
    size = sum(_write_bytes(write) for write in writes)
    if size > TRANSACTION_BYTES:
        raise _refused(
            f"{len(writes)} writes to {table} in {writes[0].row.partition} have {size} bytes, at most "
            f"{TRANSACTION_BYTES} fit into one transaction: split it"
        )


def _most_bytes(write: TableWrite) -> int:
    """Never below `_write_bytes`, and cheap: no character has more than 12 bytes in JSON or in an address."""
    row = write.row
    texts = [row.partition, row.key, *(value for value in row.cells.values() if isinstance(value, str))]
    characters = 2 * len(row.partition) + 2 * len(row.key) + sum(map(len, texts)) + sum(map(len, row.cells))
    return _ENVELOPE_BYTES + 12 * characters + 2 * len(texts) + (_TYPE_BYTES + 20) * len(row.cells)


def _write_bytes(write: TableWrite) -> int:
    """Bytes of one write in the request of a transaction, at most a few hundred above what is sent."""
    keys = (write.row.partition, write.row.key)
    size = _ENVELOPE_BYTES
    if write.verb is not WriteKind.INSERT:  # an insert goes to the table's own address
        size += sum(len(urllib.parse.quote(key, safe="", errors="surrogatepass")) for key in keys)
    if write.verb is WriteKind.DELETE:
        return size
    size += sum(_text_bytes(key) for key in keys)
    for name, value in write.row.cells.items():
        size += 2 * len(name) + _TYPE_BYTES + (_text_bytes(value) if isinstance(value, str) else 20)
    return size


def _text_bytes(text: str) -> int:
    """The SDK sends JSON in ASCII."""
    return len(json.dumps(text))


def _check_row(table: str, write: TableWrite) -> None:
    row = write.row
    place = f"{table}/{row.partition}/{row.key}"
    for key in (row.partition, row.key):
        if not key or _FORBIDDEN.search(key) or _units(key) > _KEY_UNITS:
            raise _refused(
                f"{place!r} is not a key: use 1 to {_KEY_UNITS} characters, no / \\ # ? and no control characters"
            )
    if write.verb is not WriteKind.INSERT and not row.etag:
        raise _refused(f"{write.verb.value} of {place} without an ETag: read the row first")
    if write.verb is not WriteKind.DELETE:
        _check_cells(place, row)


def _check_cells(place: str, row: Row) -> None:
    if len(row.cells) > _CELLS:
        raise _refused(f"{place} has {len(row.cells)} cells, at most {_CELLS} fit")
    for name, value in row.cells.items():
        _check_cell(place, name, value)
    if _row_bytes(row.cells) > _ROW_BYTES:
        raise _refused(f"{place} is larger than {_ROW_BYTES} bytes: split it")


def _check_cell(place: str, name: str, value: Cell) -> None:
    if not _CELL_NAME.fullmatch(name) or name in _SYSTEM:
        raise _refused(
            f"{place} has a cell {name[:80]!r}: use a letter, then letters, digits and underscores"
        )
    if isinstance(value, str) and _units(value) > _TEXT_UNITS:
        raise _refused(f"{place} has {_units(value)} characters in {name}, at most {_TEXT_UNITS} fit")
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise _refused(f"{place} has {value} in {name}: integers have 64 bits")


def _row_bytes(cells: Mapping[str, Cell]) -> int:
    sizes = (2 * _units(value) if isinstance(value, str) else 8 for value in cells.values())
    return sum(sizes) + sum(2 * len(name) + 8 for name in cells)


def _units(text: str) -> int:
    """Length as the service counts it. A lone surrogate is counted too, and raises nothing here."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _refused(message: str) -> PermanentError:
    return PermanentError(ErrorClass.POLICY, message)
