"""The size of a table transaction as it is checked is never below the size of the request that the SDK sends."""

from collections.abc import Sequence
from typing import Any

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline.transport import HttpTransport
from azure.data.tables import TableServiceClient
from hypothesis import given
from hypothesis import strategies as some

from pipeline_core.adapters import limits
from pipeline_core.adapters.azure.tables import AzureTables
from pipeline_core.adapters.system import SystemChance
from pipeline_core.domain.errors import PermanentError
from pipeline_core.ports import Row, TableWrite, WriteKind

pytestmark = pytest.mark.process  # the SDK asks the platform for its name by a program

ETAG = "W/\"datetime'2026-11-21T09%3A00%3A00.0000000Z'\""
ENDPOINT = "https://storageofafactory0123456.table.core.windows.net"


class Sent(Exception):
    """The request was ready; its size is the text."""


class Scales(HttpTransport):  # type: ignore[type-arg]  # the SDK's type arguments are private
    """Weighs the request and sends nothing."""

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def send(self, request: Any, **_: Any) -> Any:
        """Raise Sent."""
        raise Sent(len(request.body))


def written(verb: WriteKind, key: str, **cells: str | int | bool) -> TableWrite:
    etag = "" if verb is WriteKind.INSERT else ETAG
    return TableWrite(verb=verb, row=Row(partition="payments-api", key=key, cells=cells, etag=etag))


def sent_bytes(writes: Sequence[TableWrite]) -> int:
    credential = AzureNamedKeyCredential("account", "AAAA")
    service = TableServiceClient(ENDPOINT, credential=credential, transport=Scales(), retry_total=0)
    with service, pytest.raises(Sent) as sent:
        AzureTables(service, SystemChance()).write("images", writes)
    return int(str(sent.value))


def checked_bytes(writes: Sequence[TableWrite], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(limits, "TRANSACTION_BYTES", 0)
    with pytest.raises(PermanentError, match=r"have \d+ bytes") as refused:
        limits.check_writes("images", writes)
    return int(str(refused.value).split(" have ")[1].split(" ")[0])


@pytest.mark.parametrize(
    "writes",
    [
        [
            written(WriteKind.INSERT, f"k{number}", text="x" * 1000, n=-(2**63), yes=False)
            for number in range(20)
        ],
        [
            written(WriteKind.REPLACE, f"k{number}", text="h\u00e4\u00df\n'\"\\ \U0001f600" * 50)
            for number in range(20)
        ],
        [written(WriteKind.DELETE, f"k{number}") for number in range(20)],
        [written(WriteKind.INSERT, "\u00e9" * 200 + str(number)) for number in range(20)],
        [
            written(WriteKind.REPLACE, f"k{number}", **{f"cell_{n}": n for n in range(250)})
            for number in range(20)
        ],
    ],
    ids=["inserts", "beyond ASCII", "deletions", "long keys", "many cells"],
)
def test_no_request_is_larger_than_its_check(
    writes: list[TableWrite], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = sent_bytes(writes)
    checked = checked_bytes(writes, monkeypatch)
    assert sent <= checked <= sent + 400 * len(writes) + 30 * sum(len(write.row.cells) for write in writes)


@given(
    verb=some.sampled_from(WriteKind),
    keys=some.tuples(some.text(some.characters(), min_size=1), some.text(some.characters(), min_size=1)),
    cells=some.dictionaries(
        some.text(some.characters(codec="ascii")),
        some.text(some.characters()) | some.integers() | some.booleans(),
    ),
)
def test_the_cheap_bound_is_never_below_the_size(
    verb: WriteKind, keys: tuple[str, str], cells: dict[str, Any]
) -> None:
    write = TableWrite(verb=verb, row=Row(partition=keys[0], key=keys[1], cells=cells, etag="1"))
    assert limits._most_bytes(write) >= limits._write_bytes(write)


def test_a_small_transaction_is_not_encoded_to_be_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(limits, "_write_bytes")
    limits.check_writes("images", [written(WriteKind.INSERT, f"k{number}", text="x") for number in range(20)])


@pytest.mark.parametrize("text", ["plain", "h\u00e4", "\U0001f600", "\ud800", ""])
def test_a_text_is_as_long_as_the_service_counts_it(text: str) -> None:
    assert limits._units(text) == len(text.encode("utf-16-le", "surrogatepass")) // 2
