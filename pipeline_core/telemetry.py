"""Structured log lines over the standard library's logging.

A line is one JSON object with the same keys everywhere: event, image, build_id, campaign, correlation_id. A
text from outside can neither end a line nor control a terminal. Nothing starts by itself: see `configure`.
"""

import contextlib
import contextvars
import json
import logging
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from pipeline_core.domain import texts

LOGGER = "imagefactory"  # the root of every logger of ours
KEYS = ("event", "image", "build_id", "campaign", "correlation_id")
Field = str | float | bool | None

correlation_id: contextvars.ContextVar[str] = contextvars.ContextVar("correlation_id", default="")

_TRACE = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_TEXT_LIMIT = 4000
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def traceparent() -> str:
    """This process's part in the current trace, as W3C Trace Context writes it; empty outside of a trace."""
    identity = correlation_id.get()
    return f"00-{identity}-{uuid.uuid4().hex[:16]}-01" if _TRACE.fullmatch(identity) else ""


@contextlib.contextmanager
def following(parent: str = "") -> Iterator[None]:
    """Log under the trace of a message. A message without one, a timer and an event begin a trace."""
    found = _TRACEPARENT.fullmatch(parent)
    token = correlation_id.set(found[1] if found else uuid.uuid4().hex)
    try:
        yield
    finally:
        correlation_id.reset(token)


class StructuredLogs:
    """The port `Logs`: each line goes to the logger `imagefactory`."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(LOGGER)

    def note(self, event: str, **fields: Field) -> None:
        """Write one line. Fields beside the fixed keys are kept under their own names."""
        fixed = {key: fields.get(key, "") for key in KEYS if key != "event"}
        fixed["correlation_id"] = fixed["correlation_id"] or correlation_id.get()
        others = {name: value for name, value in fields.items() if name not in KEYS}
        self._logger.info(event, extra={"event": event, **fixed, "fields": others})


class JsonFormatter(logging.Formatter):
    """Records of this factory as one JSON object. `other` formats all other records."""

    def __init__(self, other: logging.Formatter) -> None:
        super().__init__()
        self._other = other

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if record.name != LOGGER and not record.name.startswith(f"{LOGGER}."):
            return self._other.format(record)
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": _clean(record.getMessage()),
            **{key: _clean(getattr(record, key, "")) for key in KEYS},
        }
        extra = {name: value for name, value in vars(record).items() if name not in _OWN}
        for name, value in {**extra, **extra.pop("fields", {})}.items():
            line.setdefault(name, _clean(value))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)[-_TEXT_LIMIT:]
        return json.dumps(line, default=str)


def configure(level: int = logging.INFO) -> None:
    """Make every handler of the process write our records as JSON. Safe to repeat.

    The Functions worker brings its own handler. Without a handler, lines go to standard error.
    """
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    for handler in root.handlers:
        if not isinstance(handler.formatter, JsonFormatter):
            handler.setFormatter(JsonFormatter(handler.formatter or logging.Formatter()))
    logging.getLogger(LOGGER).setLevel(level)
    # The SDKs log each request with its headers at INFO.
    logging.getLogger("azure").setLevel(logging.WARNING)


def _clean(value: object) -> object:
    if not isinstance(value, str):
        return value
    return texts.cleaned(value)[:_TEXT_LIMIT]
