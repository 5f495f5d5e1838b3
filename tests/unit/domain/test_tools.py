"""Which file of a tool builds may use: every state and every look, by name."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import tools
from pipeline_core.domain.names import Digest
from pipeline_core.domain.tools import (
    NOT_SCANNED,
    SIZE_LIMIT,
    ScanAnswer,
    ScanResult,
    ToolLook,
    ToolRecord,
    ToolState,
    ToolStep,
    judge,
)
from tests.unit.domain.factories import NOW

DIGEST = Digest("a1" * 32)
LATER = NOW + timedelta(hours=3)
REQUESTED, QUARANTINED, ADMITTED, REFUSED = ToolState
REST, CHECK, TAKE_BACK = ToolStep
CLEAN, FOUND, UNKNOWN, ELSEWHERE = (
    ScanAnswer(result=result, scanner="S", detail="said") for result in ScanResult
)


def _record(state: ToolState) -> ToolRecord:
    return ToolRecord(sha256=DIGEST, state=state, at=NOW, size=7, by="user:1")


def _look(
    quarantined: int | None = None, served: int | None = None, scan: ScanAnswer | None = None
) -> ToolLook:
    return ToolLook(quarantined=quarantined, served=served, scan=scan)


TRUTH = {
    "asked for, and not brought": (REQUESTED, _look(), REQUESTED, REST),
    "asked for, brought, not scanned": (REQUESTED, _look(5, None, UNKNOWN), QUARANTINED, REST),
    "asked for, brought, no answer at all": (REQUESTED, _look(5), QUARANTINED, REST),
    "asked for, brought, clean": (REQUESTED, _look(5, None, CLEAN), QUARANTINED, CHECK),
    "asked for, brought, scanned elsewhere": (REQUESTED, _look(5, None, ELSEWHERE), QUARANTINED, CHECK),
    "asked for, brought, found": (REQUESTED, _look(5, None, FOUND), REFUSED, REST),
    "the record was lost, the copy is there, clean": (REQUESTED, _look(None, 5, CLEAN), ADMITTED, REST),
    "the record was lost, the copy is there, not scanned": (
        REQUESTED,
        _look(None, 5, UNKNOWN),
        QUARANTINED,
        REST,
    ),
    "the record was lost, the copy is there, found": (REQUESTED, _look(None, 5, FOUND), REFUSED, TAKE_BACK),
    "in quarantine, gone": (QUARANTINED, _look(), REQUESTED, REST),
    "in quarantine, still not scanned": (QUARANTINED, _look(5, None, UNKNOWN), QUARANTINED, REST),
    "in quarantine, clean now": (QUARANTINED, _look(5, None, CLEAN), QUARANTINED, CHECK),
    "in quarantine, found": (QUARANTINED, _look(5, None, FOUND), REFUSED, REST),
    "copied before a crash": (QUARANTINED, _look(5, 5, CLEAN), ADMITTED, REST),
    "empty": (QUARANTINED, _look(0, None, CLEAN), REFUSED, REST),
    "too large": (QUARANTINED, _look(SIZE_LIMIT + 1, None, CLEAN), REFUSED, REST),
    "as large as it may be": (QUARANTINED, _look(SIZE_LIMIT, None, CLEAN), QUARANTINED, CHECK),
    "admitted, there": (ADMITTED, _look(None, 5, CLEAN), ADMITTED, REST),
    "admitted, not scanned again": (ADMITTED, _look(None, 5, UNKNOWN), ADMITTED, REST),
    "admitted, found later": (ADMITTED, _look(None, 5, FOUND), REFUSED, TAKE_BACK),
    "admitted, all gone": (ADMITTED, _look(), REQUESTED, REST),
    "admitted, the copy is gone": (ADMITTED, _look(5, None, CLEAN), QUARANTINED, CHECK),
    "admitted, the copy is gone, found": (ADMITTED, _look(5, None, FOUND), REFUSED, REST),
    "refused, clean now": (REFUSED, _look(5, None, CLEAN), REFUSED, REST),
    "refused, its copy is still there": (REFUSED, _look(None, 5, CLEAN), REFUSED, TAKE_BACK),
    "refused, its copy is still there, not scanned": (REFUSED, _look(5, 5, None), REFUSED, TAKE_BACK),
    "refused, gone": (REFUSED, _look(), REFUSED, REST),
}


@pytest.mark.parametrize(("old", "look", "new", "step"), TRUTH.values(), ids=TRUTH)
def test_a_look_decides(old: ToolState, look: ToolLook, new: ToolState, step: ToolStep) -> None:
    record, done = judge(_record(old), look, LATER)
    assert (record.state, done) == (new, step)
    assert record.at == (NOW if new is old else LATER)
    assert record.by == "user:1"
    assert bool(record.reason) is (new is not ADMITTED and old is not REFUSED)


def test_only_a_copy_that_the_factory_made_is_admitted() -> None:
    looks = [look for old, look, new, _ in TRUTH.values() if new is ADMITTED]
    assert len(looks) > 3
    assert all(look.served is not None for look in looks)


@pytest.mark.parametrize(("scan", "by"), [(CLEAN, "S"), (ELSEWHERE, NOT_SCANNED)], ids=["scanned", "not"])
def test_an_admission_says_who_scanned(scan: ScanAnswer, by: str) -> None:
    record, _ = judge(_record(QUARANTINED), _look(5, 5, scan), LATER)
    assert (record.state, record.scanned_by, record.reason, record.at) == (ADMITTED, by, "", LATER)
    assert record.size == 5


def test_another_content_is_refused_with_what_was_found() -> None:
    record = tools.of_other_content(_record(QUARANTINED), "ff" * 32, LATER)
    assert record.state is REFUSED
    assert "ff" * 32 in record.reason


def test_a_refusal_has_the_words_of_the_scanner_and_a_bound() -> None:
    told = replace(FOUND, detail="x" * 9000)
    record, _ = judge(_record(QUARANTINED), _look(5, None, told), LATER)
    assert record.reason.startswith("S: xxx")
    assert len(record.reason) == 500


@pytest.mark.parametrize(
    ("state", "reason", "told"),
    [
        (REQUESTED, "", True),
        (QUARANTINED, "no scanner has an answer yet", True),
        (QUARANTINED, "the look failed, permission: another request", False),
        (QUARANTINED, "the look failed, not-found: gone", True),
        (ADMITTED, "", False),
    ],
)
def test_a_look_that_failed_gives_an_open_record_its_reason(
    state: ToolState, reason: str, told: bool
) -> None:
    before = replace(_record(state), reason=reason)
    after = tools.unlooked(before, "permission: may not read tags" + "x" * 9000)
    assert (after.state, after.at) == (state, NOW)
    assert after.reason.startswith("the look failed, permission: may") is told
    assert len(after.reason) <= 500
    assert (after == before) is not told


def test_what_waits_is_open() -> None:
    assert [state for state in ToolState if state.is_open] == [REQUESTED, QUARANTINED]
    assert [result for result in ScanResult if result.lets_in] == [ScanResult.CLEAN, ScanResult.ELSEWHERE]
