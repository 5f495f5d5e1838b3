"""What is kept of a poisoned message: keys, texts, marks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pipeline_core.domain import poison
from pipeline_core.domain.actors import Actor
from pipeline_core.domain.poison import MARKS, TEXT_LIMIT, PoisonRecord, PoisonState
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, NOW

MOMENTS = some.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=some.just(UTC))  # noqa: DTZ001


def _record(key: str = "k1", at: datetime = NOW) -> PoisonRecord:
    return PoisonRecord(key=key, queue="build-steps", text="x", at=at, size=1, is_whole=True, image=BASE)


@given(MOMENTS, MOMENTS)
def test_keys_sort_newest_first(one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))
    if earlier < later:
        assert poison.poison_key(later, "f" * 16) < poison.poison_key(earlier, "0" * 16)


def test_a_delivery_has_one_nonce_however_often_it_is_given_out() -> None:
    nonce = poison.delivery_nonce("build-steps", "id-1")
    assert nonce == poison.delivery_nonce("build-steps", "id-1")
    others = {poison.delivery_nonce("build-steps", "id-2"), poison.delivery_nonce("build-events", "id-1")}
    assert nonce not in others
    assert replace(_record(), key=poison.poison_key(NOW, nonce)).nonce == nonce


@pytest.mark.parametrize(
    ("text", "kept", "is_whole"),
    [
        ("", "", True),
        ('{"schema":1}\r\n\t', '{"schema":1}\r\n\t', True),
        ("häßlich 🙂", "häßlich 🙂", True),
        ("x" * TEXT_LIMIT, "x" * TEXT_LIMIT, True),
        ("x" * (TEXT_LIMIT + 1), "x" * TEXT_LIMIT, False),
        ("a\x00b", "a\ufffdb", False),
        ("a\x1b[2J", "a\ufffd[2J", False),
        ("a\x7f", "a\ufffd", False),
        ("a\ud800b", "a\ufffdb", False),
        ("not utf-8: \ufffd", "not utf-8: \ufffd", False),
    ],
    ids=["empty", "ours", "unicode", "full", "cut", "nul", "escape", "delete", "half", "undecodable"],
)
def test_a_text_is_kept_whole_or_said_not_to_be(text: str, kept: str, is_whole: bool) -> None:
    assert poison.kept_text(text) == (kept, is_whole)


@given(some.text())
def test_what_is_kept_can_always_be_stored(text: str) -> None:
    kept, is_whole = poison.kept_text(text)
    assert kept.encode("utf-8").decode() == kept
    assert not is_whole or kept == text


def test_marks_are_kept_newest_first_once_and_bounded() -> None:
    head = make.head()
    for number in range(MARKS + 2):
        at = NOW + timedelta(minutes=number)
        head = poison.mark(head, _record(poison.poison_key(at, "0" * 16), at))
    assert len(head.poison) == MARKS
    assert [each.at for each in head.poison] == sorted((each.at for each in head.poison), reverse=True)
    assert head.poison[0].at == NOW + timedelta(minutes=MARKS + 1)
    again = poison.mark(head, _record(head.poison[2].key, head.poison[2].at))
    assert again.poison == head.poison
    assert poison.unmark(head, head.poison[2].key).poison == (*head.poison[:2], *head.poison[3:])
    assert poison.unmark(head, "another").poison == head.poison


def test_a_closed_record_says_by_whom_and_when_and_tells_nothing_more() -> None:
    admin = Actor(name="Admin", identity="user:1@2")
    closed = poison.close(_record(), PoisonState.REQUEUED, admin, NOW)
    assert (closed.state, closed.closed_by, closed.closed_at) == (PoisonState.REQUEUED, "Admin", NOW)
    assert closed.closed_identity == "user:1@2"
    assert not closed.announce
