"""Notify owners by signed webhooks from the journal, at least once. Receivers drop repeats by the entry's key."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import timedelta

from pipeline_core.domain.definitions import Webhook
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.journal import Entry
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Secrets, Web
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state.images import ImageStore
from pipeline_core.wire.messages import NotificationMessage

SIGNING_SECRET = "webhook-signing-key"  # noqa: S105 - a name in Key Vault, not a secret
_ANSWER_LIMIT = 4096  # bytes of an answer that are read
_LATER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Delivers one journal entry to every webhook of its image that lists its event."""

    images: ImageStore
    effects: Effects
    secrets: Secrets
    web: Web

    def deliver(self, message: NotificationMessage) -> None:
        """Raises TransientError where a receiver does not accept the entry. Then all receivers get it again."""
        image = ImageName(message.image)
        entry = self.images.find_entry(image, message.entry)
        head = self.images.find_head(image)
        if entry is None or head is None:
            self.effects.logs.note("notification-without-entry", image=str(image), entry=message.entry)
            return
        definition = self.effects.documents.definition(head.value.registration.definition)
        wanted = [hook for hook in definition.notify if entry.event.value in hook.events]
        if not wanted:
            return
        body = _cloud_event(entry)
        key = self.secrets.get(SIGNING_SECRET)
        signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        refused = [hook.url for hook in wanted if not self._post(hook, body, signature)]
        if refused:
            raise TransientError(
                ErrorClass.NETWORK,
                f"{len(refused)} of {len(wanted)} webhooks of {image} did not accept {entry.event.value}",
                retry_after=_LATER,
            )

    def _post(self, hook: Webhook, body: bytes, signature: str) -> bool:
        headers = {
            "Content-Type": "application/cloudevents+json",
            "X-ImageFactory-Signature": f"sha256={signature}",
        }
        answer = self.web.post(hook.url, body, headers, limit=_ANSWER_LIMIT)
        return 200 <= answer.status < 300


def _cloud_event(entry: Entry) -> bytes:
    """CloudEvents 1.0 in JSON."""
    content = {
        "specversion": "1.0",
        "id": entry.key,
        "type": f"imagefactory.{entry.event.value}",
        "source": "imagefactory",
        "subject": str(entry.image),
        "time": entry.at.isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "actor": entry.actor,
            "build": str(entry.build or ""),
            "campaign": entry.campaign or "",
            "detail": entry.detail,
            "reasons": list(entry.reasons),
            "version": entry.version or "",
        },
    }
    return json.dumps(content, sort_keys=True).encode()
