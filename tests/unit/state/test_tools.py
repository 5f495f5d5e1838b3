"""The records of the tools' files: found by digest, and missing unless admitted."""

from dataclasses import replace

import pytest

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.domain.names import Digest
from pipeline_core.domain.tools import ToolRecord, ToolState
from pipeline_core.state.catalog.tools import ToolStore
from tests.unit.domain.factories import NOW

A, B, C, D, E = (Digest(pair * 32) for pair in ("a1", "b2", "c3", "d4", "e5"))


def _record(sha256: Digest, state: ToolState) -> ToolRecord:
    return ToolRecord(sha256=sha256, state=state, at=NOW, size=7)


def test_a_record_is_read_as_it_was_written() -> None:
    store = ToolStore(MemoryTables())
    record = replace(_record(A, ToolState.REFUSED), reason="found X", scanned_by=None, by="user:1")
    store.save(record, etag=None)
    found = store.find(A)
    assert found is not None
    assert found.value == record
    assert store.find(B) is None


def test_every_digest_that_is_not_admitted_is_missing() -> None:
    store = ToolStore(MemoryTables())
    for digest, state in zip((A, B, C, D), ToolState, strict=True):
        store.save(_record(digest, state), etag=None)
    admitted = next(each.value.sha256 for each in store.list() if each.value.state is ToolState.ADMITTED)
    assert store.missing([E, D, C, B, A, A]) == tuple(x for x in (A, B, C, D, E) if x != admitted)
    assert store.missing([admitted]) == ()


def test_a_write_needs_the_record_that_was_read() -> None:
    store = ToolStore(MemoryTables())
    first = store.save(_record(A, ToolState.REQUESTED), etag=None)
    with pytest.raises(AlreadyExists):
        store.save(_record(A, ToolState.ADMITTED), etag=None)
    second = store.save(_record(A, ToolState.QUARANTINED), etag=first)
    with pytest.raises(StaleWrite):
        store.delete(A, etag=first)
    store.delete(A, etag=second)
    assert store.list() == []
