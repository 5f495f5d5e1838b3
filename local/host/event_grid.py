"""The Event Grid webhook of the real host: validation handshake, and one invocation for each event delivered.

It knows only the Event Grid schema. A failed invocation answers 500, so that the sender delivers the whole batch again.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import azure.functions as func

from local.host.invocation import Invoker
from local.host.table import Function

_REQUIRED = ("id", "subject", "eventType", "eventTime", "data", "dataVersion")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAnswer:
    """The answer to the sender: a JSON document, or `message` as text."""

    status: int
    message: str = ""
    document: dict[str, str] | None = None


async def receive(*, function: Function, kind: str, body: bytes, invoker: Invoker) -> DeliveryAnswer:
    """Answer one request; `kind` is its header `aeg-event-type`."""
    if kind == "Unsubscribe":
        return DeliveryAnswer(status=202)
    if kind not in {"SubscriptionValidation", "Notification"}:
        return DeliveryAnswer(status=400, message="the header aeg-event-type is missing or unknown")
    try:
        found = json.loads(body)
        events = found if isinstance(found, list) else [found]
        if kind == "SubscriptionValidation":
            return DeliveryAnswer(
                status=200, document={"validationResponse": str(events[0]["data"]["validationCode"])}
            )
        parsed = [_parse_event(event) for event in events]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return DeliveryAnswer(status=400, message=f"the body is not an array of Event Grid events: {error!r}")
    failed = 0
    for event in parsed:
        outcome = await invoker.invoke(function, event, reason=f"event {event.event_type}")
        failed += 0 if outcome.ok else 1
    if failed:
        return DeliveryAnswer(status=500, message=f"{failed} of {len(parsed)} events failed")
    return DeliveryAnswer(status=202)


def _parse_event(event: Any) -> func.EventGridEvent:
    missing = [name for name in _REQUIRED if name not in event]
    if missing:
        raise KeyError(f"an event without {', '.join(missing)}")
    moment = datetime.fromisoformat(str(event["eventTime"]))
    return func.EventGridEvent(
        id=event["id"],
        data=event["data"],
        topic=event.get("topic", ""),
        subject=event["subject"],
        event_type=event["eventType"],
        event_time=moment if moment.tzinfo else moment.replace(tzinfo=UTC),
        data_version=event["dataVersion"],
    )
