"""The count in a message of how often it was sent again: raised, dropped, and left out where it has no place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.wire import resent
from pipeline_core.wire.messages import MESSAGE_LIMIT, RebuildMessage, StepMessage
from pipeline_core.wire.resent import FIELD

STEP = StepMessage(build="rhel9-base.000000000000.1", seq=4, reason="läuft", tries=2).to_wire()


def test_each_time_raises_the_count_and_says_how_often_it_was_before() -> None:
    text, seen = STEP, []
    for _ in range(4):
        text, before = resent.counted(text)
        seen.append(before)
    assert seen == [0, 1, 2, 3]
    assert text == STEP.removesuffix("}") + f',"{FIELD}":4}}'
    assert StepMessage.from_wire(text) == StepMessage.from_wire(STEP)


def test_a_count_that_is_dropped_leaves_the_text_as_it_was_sent_first() -> None:
    text = STEP
    for _ in range(3):
        text, _ = resent.counted(text)
        assert resent.uncounted(text) == STEP


@pytest.mark.parametrize(
    "text", [STEP, '{ "image" : "rhel9-base" }', "nonsense", f"[{FIELD}]", f'"{FIELD}"', ""]
)
def test_a_text_without_a_count_stays_exactly_as_it_is(text: str) -> None:
    assert resent.uncounted(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "7",
        "null",
        '{"a":NaN}',
        '{"a":"\\ud800"}',
        '{"a":1e999}',
        "[" * 1_000,
        '{"a":' * 200,
    ],
)
def test_a_text_that_cannot_carry_a_count_is_sent_as_it_is_and_nobody_knows_how_often(text: str) -> None:
    assert resent.counted(text) == (text, None)
    assert resent.uncounted(text) == text


def test_a_count_never_makes_a_message_too_large_to_be_read() -> None:
    fields = {"schema": 1, "image": "rhel9-base", "more": ""}
    whole = json.dumps(fields, separators=(",", ":"))
    for room in range(25):
        fields["more"] = "x" * (MESSAGE_LIMIT - len(whole) - room)
        text = json.dumps(fields, separators=(",", ":"))
        more, before = resent.counted(text)
        assert RebuildMessage.from_wire(more).image == "rhel9-base"
        assert (before is None) is (more == text) is (room < len(f',"{FIELD}":1'))


@pytest.mark.parametrize("count", ['"many"', "-3", "true", "null", "2.5", "[1]"])
def test_what_is_not_a_count_is_none(count: str) -> None:
    more, before = resent.counted(f'{{"image":"rhel9-base","{FIELD}":{count}}}')
    assert (json.loads(more)[FIELD], before) == (1, 0)


def test_a_count_has_a_bound() -> None:
    more, before = resent.counted(f'{{"{FIELD}":{10**40}}}')
    assert (json.loads(more)[FIELD], before) == (99, 10**40)


@given(
    st.text(max_size=80)
    | st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=9)).map(json.dumps)
)
def test_no_text_is_refused(text: str) -> None:
    more, before = resent.counted(text)
    assert before is not None or more == text
    assert resent.counted(more)[1] == (None if before is None else min(before + 1, 99))
