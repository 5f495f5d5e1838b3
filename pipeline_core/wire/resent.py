"""How often a message was sent again after a transient error: a count in its text, beside the message's own fields.

Only `Redelivery` reads the count. Readers of messages ignore it, as every field that they do not know, so an older
release reads such a text, and what a handler sends itself begins without a count. This module does not know what a
message means.
"""

import json
from collections.abc import Mapping
from typing import Any

from pipeline_core.domain import canonical
from pipeline_core.wire.messages import MESSAGE_LIMIT

FIELD = "sent_again"
_MOST = 99  # the delay has stopped growing long before


def counted(text: str) -> tuple[str, int | None]:
    """The text with its count raised by one, and how often it was sent again before this time.

    A text that cannot carry a count stays as it is, and nobody knows how often it was sent (None): one that is not a
    JSON object, or that would be larger than a message may be.
    """
    fields = _fields_of(text)
    if fields is None:
        return text, None
    before = _count_of(fields)
    more = _text_of({**fields, FIELD: min(before + 1, _MOST)})
    return (text, None) if more is None else (more, before)


def uncounted(text: str) -> str:
    """The text as it was before it was sent again. A text without a count stays exactly as it is."""
    fields = _fields_of(text) if FIELD in text else None
    if fields is None or FIELD not in fields:
        return text
    return _text_of({name: value for name, value in fields.items() if name != FIELD}) or text


def _fields_of(text: str) -> Mapping[str, Any] | None:
    if len(text) > MESSAGE_LIMIT:
        return None
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _count_of(fields: Mapping[str, Any]) -> int:
    """Zero where the field is absent, or is not a count: anybody may write into a text."""
    count = fields.get(FIELD)
    return max(count, 0) if isinstance(count, int) and not isinstance(count, bool) else 0


def _text_of(fields: Mapping[str, Any]) -> str | None:
    """In the form of `Message.to_wire`; None where that is not possible."""
    try:
        text = canonical.compact(fields, allow_nan=False)
        return text if len(text.encode()) <= MESSAGE_LIMIT else None
    except (ValueError, RecursionError):
        return None
