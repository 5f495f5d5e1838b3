"""Event Grid: ARM's own events on gallery versions, delivered to a webhook with its handshake and retries.

An event that cannot be delivered is dropped after the last try, and counted. The factory must work without it.
"""

import asyncio
import json
import sys
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from local.arm.operations import Operations
from local.arm.wire import ArmError, Json

_WAITS: Final = (0.0, 0.2, 1.0, 3.0)  # seconds before each try; Azure waits from 10 seconds to hours
_TIMEOUT: Final = 10.0


class EventGrid:
    """The one subscription of a webhook to resource events."""

    def __init__(self, operations: Operations, *, tenant: str) -> None:
        self._operations = operations
        self._tenant = tenant
        self._endpoint: str | None = None
        self.delivered = 0
        self.dropped = 0

    async def subscribe(self, endpoint: str) -> None:
        """Send events to `endpoint` from now on. Raises if the endpoint fails the validation handshake."""
        code = str(uuid.uuid4())
        kind = "Microsoft.EventGrid.SubscriptionValidationEvent"
        event = _envelope(kind, "", "", {"validationCode": code, "validationUrl": ""}, "2")
        try:
            answer = await asyncio.to_thread(_post, endpoint, "SubscriptionValidation", event)
            echoed = json.loads(answer or b"{}").get("validationResponse")
        except (OSError, ValueError, AttributeError) as error:
            raise _refused(endpoint, str(error)) from error
        if echoed != code:
            raise _refused(endpoint, "it did not echo the validation code")
        self._endpoint = endpoint

    def unsubscribe(self) -> None:
        """Stop sending."""
        self._endpoint = None

    def announce(self, verb: str, resource_id: str) -> None:
        """Send the event that a resource was written (`Write`) or deleted (`Delete`)."""
        if self._endpoint is None:
            return
        subscription = resource_id.split("/")[2]
        operation = f"Microsoft.Compute/galleries/images/versions/{verb.lower()}"
        method = {"Write": "PUT", "Delete": "DELETE"}[verb]
        content: Json = {
            "authorization": {"scope": resource_id, "action": operation},
            "correlationId": str(uuid.uuid4()),
            "httpRequest": {"clientRequestId": str(uuid.uuid4()), "method": method},
            "resourceProvider": "Microsoft.Compute",
            "resourceUri": resource_id,
            "operationName": operation,
            "status": "Succeeded",
            "subscriptionId": subscription,
            "tenantId": self._tenant,
        }
        topic = f"/subscriptions/{subscription}"
        event = _envelope(f"Microsoft.Resources.Resource{verb}Success", topic, resource_id, content, "2")
        self._operations.run(self._deliver(self._endpoint, event))

    async def _deliver(self, endpoint: str, event: Json) -> None:
        problem = ""
        for wait in _WAITS:
            await asyncio.sleep(wait)
            try:
                await asyncio.to_thread(_post, endpoint, "Notification", event)
            except OSError as error:
                problem = str(error)
                continue
            self.delivered += 1
            return
        self.dropped += 1
        print(f"arm emulator: event {event['id']} dropped: {problem}", file=sys.stderr, flush=True)


def _envelope(kind: str, topic: str, subject: str, content: Json, version: str) -> Json:
    return {
        "id": str(uuid.uuid4()),
        "topic": topic,
        "subject": subject,
        "eventType": kind,
        "eventTime": datetime.now(UTC).isoformat(),
        "data": content,
        "dataVersion": version,
        "metadataVersion": "1",
    }


def _post(endpoint: str, kind: str, event: Json) -> bytes:
    body = json.dumps([event]).encode()
    headers = {"Content-Type": "application/json", "aeg-event-type": kind}
    request = urllib.request.Request(endpoint, data=body, headers=headers, method="POST")  # noqa: S310 - loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_TIMEOUT) as answer:
        content: Any = answer.read(65536)
    return bytes(content)


def _refused(endpoint: str, reason: str) -> ArmError:
    return ArmError(
        400,
        "Url validation",
        f"The attempt to validate the endpoint {endpoint} failed: {reason}.",
        target=endpoint,
    )
