"""Reads `host.json` and the settings over it (`AzureFunctionsJobHost__a__b__c`), with the real defaults.

Only options that this host uses are read. It ignores unknown options, as the real host does.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, unique
from pathlib import Path
from typing import Any

from local.host.errors import HostError

_PREFIX = "azurefunctionsjobhost__"
_TIMESPAN = re.compile(r"^(?:(\d+)\.)?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7}))?)?$")
_LARGEST_BATCH = 32  # the service returns no more in one answer


@unique
class Encoding(Enum):
    """How a message's text is encoded in the queue."""

    BASE64 = "base64"  # the default
    NONE = "none"  # as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """`extensions.queues`. At most batch_size + new_batch_threshold messages of a queue run at once."""

    max_polling_interval: timedelta
    visibility_timeout: timedelta
    batch_size: int
    new_batch_threshold: int
    max_dequeue_count: int
    encoding: Encoding


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """The options of `host.json`. `route_prefix` has no slashes at its ends."""

    queues: QueueOptions
    route_prefix: str


def read_host_options(file: Path, environment: Mapping[str, str]) -> HostOptions:
    """The options in force. Raises HostError if the file cannot be read or a value is out of bounds."""
    try:
        document = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise HostError(f"{file} is missing; a function app needs one with at least version 2.0") from error
    except ValueError as error:
        raise HostError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(document, dict) or document.get("version") != "2.0":
        raise HostError(f'{file} must be an object with "version": "2.0"')
    for name, value in environment.items():
        if name.lower().startswith(_PREFIX):
            _override(document, name[len(_PREFIX) :].split("__"), value)
    extensions = _section(document, "extensions")
    return HostOptions(
        queues=_queue_options(_section(extensions, "queues")),
        route_prefix=str(_value(_section(extensions, "http"), "routePrefix", "api")).strip("/"),
    )


def parse_timespan(text: str) -> timedelta:
    """A .NET time span, `[days.]hours:minutes[:seconds[.fraction]]`. Raises ValueError."""
    match = _TIMESPAN.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a time span; write hours:minutes:seconds, such as 00:00:02")
    days, hours, minutes, seconds, fraction = match.groups()
    if int(hours) > 23 or int(minutes) > 59 or int(seconds or 0) > 59:
        raise ValueError(f"{text!r} is not a time span: hours to 23, minutes and seconds to 59")
    return timedelta(
        days=int(days or 0),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds or 0),
        microseconds=int((fraction or "0").ljust(6, "0")[:6]),
    )


def _queue_options(section: Mapping[str, Any]) -> QueueOptions:
    batch = _whole(section, "batchSize", 16, lowest=1, highest=_LARGEST_BATCH)
    encoding = str(_value(section, "messageEncoding", "base64")).lower()
    if encoding not in {member.value for member in Encoding}:
        raise HostError(f"host.json: extensions.queues.messageEncoding is {encoding!r}; write base64 or none")
    return QueueOptions(
        max_polling_interval=_span(section, "maxPollingInterval", "00:01:00", timedelta(milliseconds=100)),
        visibility_timeout=_span(section, "visibilityTimeout", "00:00:00", timedelta(0)),
        batch_size=batch,
        new_batch_threshold=_whole(section, "newBatchThreshold", batch // 2, lowest=0, highest=1000),
        max_dequeue_count=_whole(section, "maxDequeueCount", 5, lowest=1, highest=1000),
        encoding=Encoding(encoding),
    )


def _whole(section: Mapping[str, Any], name: str, default: int, *, lowest: int, highest: int) -> int:
    value = _value(section, name, default)
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise HostError(f"host.json: extensions.queues.{name} is {value!r}, not a whole number") from error
    if not lowest <= number <= highest:
        raise HostError(
            f"host.json: extensions.queues.{name} is {number}; it goes from {lowest} to {highest}"
        )
    return number


def _span(section: Mapping[str, Any], name: str, default: str, lowest: timedelta) -> timedelta:
    try:
        span = parse_timespan(str(_value(section, name, default)))
    except ValueError as error:
        raise HostError(f"host.json: extensions.queues.{name}: {error}") from error
    if span < lowest:
        raise HostError(f"host.json: extensions.queues.{name} is {span}; the least is {lowest}")
    return span


def _section(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = _value(parent, name, {})
    if not isinstance(section, dict):
        raise HostError(f"host.json: {name} must be an object")
    return section


def _value(section: Mapping[str, Any], name: str, default: Any) -> Any:
    """A value by name. .NET's configuration ignores letter case."""
    for key, value in section.items():
        if key.lower() == name.lower():
            return value
    return default


def _override(document: dict[str, Any], path: list[str], value: str) -> None:
    key = next((known for known in document if known.lower() == path[0].lower()), path[0])
    if len(path) == 1:
        document[key] = value
        return
    if not isinstance(document.get(key), dict):
        document[key] = {}
    _override(document[key], path[1:], value)
