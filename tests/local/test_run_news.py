"""The news that a build has begun or ended ends a wait; everything else lets it last."""

import json
import threading
import time
from pathlib import Path

import pytest

from local.run.news import HostNews
from pipeline_core.services.builds import completion, dispatch

LONG = 30.0  # no test waits so long


def _line(event: str) -> str:
    return json.dumps({"level": "info", "message": event, "event": event}) + "\n"


def _append(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as stream:
        stream.write(text)


@pytest.mark.parametrize("event", ["build-started", "build-ended"])
def test_news_end_a_wait_once(tmp_path: Path, event: str) -> None:
    log = tmp_path / "host.log"
    news = HostNews(log=log)
    writing = threading.Timer(0.1, _append, [log, _line("image-decided") + _line(event)])
    writing.start()
    began = time.monotonic()
    news.wait(LONG)
    assert time.monotonic() - began < LONG
    writing.join()
    began = time.monotonic()
    news.wait(0.2)  # nothing new: the whole wait
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("text", [_line("image-decided"), _line("build-ended")[:-10], "", "not JSON\n"])
def test_other_lines_and_parts_of_lines_are_no_news(tmp_path: Path, text: str) -> None:
    log = tmp_path / "host.log"
    log.write_text(text)
    news = HostNews(log=log)
    began = time.monotonic()
    news.wait(0.2)
    assert time.monotonic() - began >= 0.2


def test_a_line_that_comes_in_two_parts_is_news_when_it_is_whole(tmp_path: Path) -> None:
    log, line = tmp_path / "host.log", _line("build-ended")
    log.write_text(line[:-10])
    news = HostNews(log=log)
    news.wait(0.1)
    _append(log, line[-10:])
    began = time.monotonic()
    news.wait(LONG)
    assert time.monotonic() - began < LONG


@pytest.mark.parametrize(("module", "event"), [(dispatch, "build-started"), (completion, "build-ended")])
def test_the_factory_writes_these_events(module: object, event: str) -> None:
    source = Path(str(getattr(module, "__file__", ""))).read_text(encoding="utf-8")
    assert f'"{event}"' in source
