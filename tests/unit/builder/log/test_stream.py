"""The log: in blocks, bounded, alive in silence, and never a reason for a build to fail."""

import time
from pathlib import Path

from builder.log.stream import LogStream
from tests.unit.builder.fakes import FolderBlobs


def test_lines_arrive_in_order_and_complete(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    with LogStream(blobs, "x/log.txt", echo=lambda line: None, every_seconds=0.01) as log:
        for number in range(500):
            log.line(f"line {number}")
    assert blobs.text("x/log.txt").splitlines() == [f"line {number}" for number in range(500)]


def test_every_line_is_echoed(tmp_path: Path) -> None:
    echoed: list[str] = []
    with LogStream(FolderBlobs(tmp_path), "x/log.txt", echo=echoed.append) as log:
        log.line("a")
        log.say("b")
    assert echoed == ["a", "imagefactory: b"]


def test_silence_still_changes_the_blob(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    with LogStream(blobs, "x/log.txt", echo=lambda line: None, every_seconds=0.01, silence_seconds=0.02):
        _await(lambda: blobs.text("x/log.txt").count("still running") >= 2)


def test_a_storage_that_does_not_answer_for_a_while_loses_nothing(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    blobs.failing_appends = 3
    with LogStream(blobs, "x/log.txt", echo=lambda line: None, every_seconds=0.01) as log:
        log.line("first")
        _await(lambda: blobs.text("x/log.txt") != "")
    assert blobs.text("x/log.txt") == "first\n"


def test_a_block_whose_answer_was_lost_is_settled_before_more_is_sent(tmp_path: Path) -> None:
    """The lines that came meanwhile must not be sent with it: the service refuses any other block at its offset."""
    blobs = FolderBlobs(tmp_path)
    blobs.lost_answers = 3
    with LogStream(blobs, "x/log.txt", echo=lambda line: None, every_seconds=0.01) as log:
        log.line("first")
        _await(lambda: blobs.lost_answers < 3)
        log.line("second")
        _await(lambda: "second" in blobs.text("x/log.txt"))
    assert blobs.text("x/log.txt") == "first\nsecond\n"


def test_a_storage_that_stays_away_loses_lines_within_bounds_and_says_how_many(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    blobs.failing_appends = 1_000_000
    with LogStream(blobs, "x/log.txt", echo=lambda line: None, every_seconds=0.01) as log:
        for _ in range(60):
            log.line("x" * 99_999)
        blobs.failing_appends = 0
    text = blobs.text("x/log.txt")
    assert text.count("x" * 99_999) == 41  # of 4 MiB
    assert "19 lines were lost" in text


def test_a_log_beyond_its_limit_is_cut_with_a_note_and_keeps_its_heartbeat(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    with LogStream(
        blobs, "x/log.txt", echo=lambda line: None, every_seconds=0.01, silence_seconds=0.05, limit=1000
    ) as log:
        for _ in range(100):
            log.line("x" * 99)
        _await(lambda: "still running" in blobs.text("x/log.txt"))
    text = blobs.text("x/log.txt")
    assert text.count("x" * 99) == 10
    assert text.count("the log is cut here, at 1000 bytes") == 1


def _await(holds: object) -> None:
    assert callable(holds)
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_many_lines_at_once_are_cut_and_lost_as_one_by_one(tmp_path: Path) -> None:
    kept = []
    for number, at_once in enumerate((True, False)):
        blobs = FolderBlobs(tmp_path / str(number))
        with LogStream(blobs, "x/log.txt", echo=lambda line: None, every_seconds=0.01, limit=1000) as log:
            if at_once:
                log.lines(["x" * 99] * 100)
            else:
                for _ in range(100):
                    log.line("x" * 99)
        kept.append(blobs.text("x/log.txt"))
    assert kept[0] == kept[1]
    assert kept[0].count("x" * 99) == 10
