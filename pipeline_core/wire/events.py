"""What a receiver gets: a CloudEvent in JSON with the headers of Standard Webhooks.

Sources: cloudevents/spec v1.0.2 (`cloudevents/spec.md`, `formats/json-format.md`, structured mode of
`bindings/http-protocol-binding.md`), standard-webhooks/standard-webhooks (`spec/standard-webhooks.md`).
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.journal import Entry

_MARK = "whsec_"
_KEY_BYTES = (24, 64)  # the lengths that the specification allows
SECRET_BYTES = 32
TEST_EVENT = "receiver.test"


def event_of(entry: Entry) -> bytes:
    """The body of a notification. Its id names image and entry: two images may have entries of one key."""
    data = {
        "actor": entry.actor,
        "build": str(entry.build or ""),
        "campaign": entry.campaign or "",
        "detail": entry.detail,
        "entry": entry.key,
        "reasons": list(entry.reasons),
        "version": entry.version or "",
    }
    return _cloud_event(
        event_id(str(entry.image), entry.key), entry.event.value, str(entry.image), entry.at, data
    )


def trial_of(receiver: str, nonce: str, now: datetime) -> tuple[str, bytes]:
    """Id and body of a trial that no journal has."""
    identity = event_id(receiver, nonce)
    return identity, _cloud_event(identity, TEST_EVENT, receiver, now, {"detail": "a trial"})


def event_id(subject: str, key: str) -> str:
    """The id of an event, in its body and in the header `webhook-id`: a receiver drops repeats by it."""
    return f"{subject}.{key}"


def headers(identity: str, body: bytes, at: datetime, secrets: Sequence[str]) -> Mapping[str, str]:
    """The headers of one delivery, with a signature for each of the secrets; without a secret it is unsigned."""
    stamp = str(int(at.timestamp()))
    made = {
        "Content-Type": "application/cloudevents+json; charset=UTF-8",
        "webhook-id": identity,
        "webhook-timestamp": stamp,
    }
    if secrets:
        made["webhook-signature"] = " ".join(signature(each, identity, stamp, body) for each in secrets)
    return made


def signature(secret: str, identity: str, stamp: str, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. Raises InvalidValue for another kind of secret."""
    signed = b".".join((identity.encode(), stamp.encode(), body))
    digest = hmac.new(_key_of(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def secret_of(key: bytes) -> str:
    """The text of a secret, as a receiver is given it."""
    return f"{_MARK}{base64.b64encode(key).decode()}"


def _key_of(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_MARK), validate=True)
    except ValueError:
        key = b""
    least, most = _KEY_BYTES
    if not secret.startswith(_MARK) or not least <= len(key) <= most:
        raise InvalidValue(
            "a signing secret", "(not shown)", f"{_MARK} and the base64 of {least} to {most} bytes"
        )
    return key


def _cloud_event(identity: str, event: str, subject: str, at: datetime, data: Mapping[str, object]) -> bytes:
    content = {
        "specversion": "1.0",
        "id": identity,
        "type": f"imagefactory.{event}",
        "source": "imagefactory",
        "subject": subject,
        "time": at.isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(content, sort_keys=True).encode()
