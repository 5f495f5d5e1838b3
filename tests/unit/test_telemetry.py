"""Log lines as JSON."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from pipeline_core import telemetry


class Output:
    """What a handler of the Functions worker would be given."""

    def __init__(self) -> None:
        self.stream = StringIO()
        self.handler = logging.StreamHandler(self.stream)
        self.handler.setFormatter(logging.Formatter("plain %(message)s"))

    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    def line(self) -> dict[str, Any]:
        (only,) = self.lines()
        found: dict[str, Any] = json.loads(only)
        return found


@pytest.fixture
def output() -> Iterator[Output]:
    """The root logger with one handler, and as it was afterwards."""
    root, ours, azure = (logging.getLogger(name) for name in ("", telemetry.LOGGER, "azure"))
    handlers, levels = root.handlers[:], (root.level, ours.level, azure.level)
    made = Output()
    root.handlers[:] = [made.handler]
    yield made
    root.handlers[:] = handlers
    for logger, level in zip((root, ours, azure), levels, strict=True):
        logger.setLevel(level)


def test_a_line_has_every_fixed_key_and_its_own_fields(output: Output) -> None:
    telemetry.configure()
    telemetry.StructuredLogs().note(
        "build-started", image="a", build_id="a.1", slot=3, ratio=0.5, ok=True, none=None
    )
    line = output.line()
    assert {key: line[key] for key in telemetry.KEYS} == {
        "event": "build-started",
        "image": "a",
        "build_id": "a.1",
        "campaign": "",
        "correlation_id": "",
    }
    assert (line["slot"], line["ratio"], line["ok"], line["none"]) == (3, 0.5, True, None)
    assert (line["message"], line["level"]) == ("build-started", "info")


def test_the_correlation_id_of_the_request_is_in_its_lines(output: Output) -> None:
    telemetry.configure()
    token = telemetry.correlation_id.set("abc")
    try:
        telemetry.StructuredLogs().note("x")
    finally:
        telemetry.correlation_id.reset(token)
    assert output.line()["correlation_id"] == "abc"


@pytest.mark.parametrize(
    "name", ["name", "args", "msg", "message", "levelname", "time", "level", "fields", "exc_info"]
)
def test_a_field_of_any_name_breaks_nothing(output: Output, name: str) -> None:
    telemetry.configure()
    telemetry.StructuredLogs().note("x", **{name: "value"})
    assert output.line()["event"] == "x"


@pytest.mark.parametrize("evil", ["a\nb", "a\r\nb", "a\x1b[31mb", "a\x00b", "a\u2028b", "a\x85b", "a\u202eb"])
def test_what_comes_from_outside_cannot_steer_a_terminal_or_end_a_line(output: Output, evil: str) -> None:
    telemetry.configure()
    telemetry.StructuredLogs().note("x", image=evil, detail=evil)
    line = output.line()
    assert line["image"] == line["detail"]
    assert not set(evil) - set("ab[31m") & set(line["detail"])


def test_a_long_text_is_cut(output: Output) -> None:
    telemetry.configure()
    telemetry.StructuredLogs().note("x", detail="y" * 100_000)
    assert len(output.line()["detail"]) == 4000


def test_loggers_of_ours_write_json_with_their_extras_and_exceptions(output: Output) -> None:
    telemetry.configure()
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("imagefactory.api").exception(
            "request failed", extra={"event": "e", "path": "/x\n"}
        )
    line = output.line()
    assert (line["event"], line["path"], line["level"]) == ("e", "/x ", "error")
    assert "ValueError: broken" in line["exception"]


def test_lines_of_others_stay_as_they_are(output: Output) -> None:
    telemetry.configure()
    for name in ("somebody", "imagefactoryelse"):
        logging.getLogger(name).warning("hello")
    assert output.lines() == ["plain hello", "plain hello"]


def test_requests_of_the_sdks_are_not_logged(output: Output) -> None:
    telemetry.configure()
    logging.getLogger("azure.core.pipeline.policies.http_logging_policy").info("Authorization: secret")
    assert output.lines() == []


def test_configuring_twice_is_configuring_once(output: Output) -> None:
    telemetry.configure()
    telemetry.configure()
    telemetry.StructuredLogs().note("x")
    assert output.line()["event"] == "x"


def test_without_any_handler_lines_are_not_lost(output: Output, capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger().handlers[:] = []
    telemetry.configure()
    telemetry.StructuredLogs().note("x")
    assert json.loads(capsys.readouterr().err)["event"] == "x"


def test_a_message_continues_the_trace_of_the_one_before() -> None:
    parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
    with telemetry.following(parent):
        made = telemetry.traceparent()
        assert telemetry.correlation_id.get() == "ab" * 16
    assert made.startswith(f"00-{'ab' * 16}-")
    assert made != parent
    assert telemetry.traceparent() == ""


@pytest.mark.parametrize("parent", ["", "garbage", "00-xyz-abc-01"])
def test_without_a_trace_one_begins(parent: str) -> None:
    with telemetry.following(parent):
        first = telemetry.correlation_id.get()
    with telemetry.following(parent):
        second = telemetry.correlation_id.get()
    assert len(first) == len(second) == 32
    assert first != second
