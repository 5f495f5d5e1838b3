"""Reads at the same time: each has its answer or its error, and a log line of it keeps its correlation."""

import threading
from collections.abc import Callable

import pytest

from pipeline_core import telemetry
from pipeline_core.adapters.reads import ReadsInTurn, ThreadedReads
from pipeline_core.domain.errors import NotFound
from pipeline_core.ports import Reads

_PATIENCE = 20.0  # seconds


def refuse() -> str:
    raise NotFound("it is not there")


@pytest.mark.parametrize("make", [ThreadedReads, ReadsInTurn])
def test_each_read_has_its_own_answer_or_error(make: Callable[[], Reads]) -> None:
    reads = make()
    answers = [reads.begin(lambda number=number: number * 2) for number in range(30)]  # type: ignore[misc]
    assert [answer() for answer in answers] == [number * 2 for number in range(30)]
    with pytest.raises(NotFound, match="it is not there"):
        reads.begin(refuse)()
    assert reads.begin(lambda: "after an error")() == "after an error"


def test_threads_read_at_the_same_time() -> None:
    reads, both = ThreadedReads(), threading.Barrier(2, timeout=_PATIENCE)
    first, second = reads.begin(both.wait), reads.begin(both.wait)  # each waits until the other one has begun
    assert sorted((first(), second())) == [0, 1]


def test_a_read_in_turn_is_done_when_it_was_begun_in_the_thread_that_asks() -> None:
    seen: list[int] = []
    answer = ReadsInTurn().begin(lambda: seen.append(threading.get_ident()))
    assert seen == [threading.get_ident()]
    answer()
    assert len(seen) == 1


def test_a_line_in_the_log_keeps_its_correlation() -> None:
    token = telemetry.correlation_id.set("c-7")
    try:
        assert ThreadedReads().begin(telemetry.correlation_id.get)() == "c-7"
    finally:
        telemetry.correlation_id.reset(token)
