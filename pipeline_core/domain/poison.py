"""A message that could not be handled: what is kept of it, whether it can be sent again, and how it ended. Pure."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, unique

from pipeline_core.domain.actors import Actor
from pipeline_core.domain.images import ImageHead, PoisonMark
from pipeline_core.domain.keys import highest_first
from pipeline_core.domain.names import BuildId, ImageName

TEXT_LIMIT = 8_000  # characters of a message that are kept; ours have at most 1,024 bytes
MARKS = 5  # open records that an image's head shows; all are in the list of poison
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 10**16  # microseconds since the epoch, far away
_REPLACEMENT = "\ufffd"


@unique
class PoisonState(Enum):
    """What became of a poisoned message."""

    OPEN = "open"  # it waits for a person
    REQUEUED = "requeued"  # a person sent it to its queue again
    DISMISSED = "dismissed"  # a person put it aside


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonRecord:
    """One poisoned message; `key` sorts newest first.

    `is_whole` is true where `text` is exactly the message, so that it can be sent again; `size` is its length
    in bytes. `error` says what is wrong with the text itself; None where it is well-formed and its handler
    failed. `announce` is true until its image was marked and its owners were notified.
    """

    key: str
    queue: str
    text: str
    at: datetime
    size: int
    is_whole: bool
    image: ImageName | None = None
    build: BuildId | None = None
    error: str | None = None
    state: PoisonState = PoisonState.OPEN
    closed_by: str | None = None
    closed_identity: str | None = None
    closed_at: datetime | None = None
    announce: bool = True

    @property
    def nonce(self) -> str:
        """Keeps this record's journal entry apart from others of the same moment."""
        return self.key.rpartition("-")[2]


def poison_key(at: datetime, nonce: str) -> str:
    """Sorts newest first; `nonce` (16 hexadecimal characters) keeps two of one moment apart."""
    return f"{highest_first((at - _EPOCH) // timedelta(microseconds=1), most=_LAST)}-{nonce}"


def delivery_nonce(queue: str, message_id: str) -> str:
    """The same for every delivery of one message, so that two recordings make one record."""
    return hashlib.sha256(f"{queue}\n{message_id}".encode()).hexdigest()[:16]


def kept_text(text: str) -> tuple[str, bool]:
    """What is kept of a message, and whether that is the whole message.

    Control characters and broken Unicode are replaced, so that each store accepts the text. Our messages have none.
    """
    head = text[:TEXT_LIMIT]
    kept = "".join(letter if _is_kept(letter) else _REPLACEMENT for letter in head)
    return kept, kept == text and _REPLACEMENT not in text


def close(record: PoisonRecord, state: PoisonState, actor: Actor, at: datetime) -> PoisonRecord:
    """The record with its end; no notice of it is sent any more."""
    return replace(
        record,
        state=state,
        closed_by=actor.name,
        closed_identity=actor.identity,
        closed_at=at,
        announce=False,
    )


def mark(head: ImageHead, record: PoisonRecord) -> ImageHead:
    """The head that shows an open record. Beyond the limit the oldest record is only in the list of poison."""
    made = PoisonMark(key=record.key, queue=record.queue, at=record.at, build=record.build)
    marks = {each.key: each for each in (*head.poison, made)}
    return replace(head, poison=tuple(marks[key] for key in sorted(marks))[:MARKS])


def unmark(head: ImageHead, key: str) -> ImageHead:
    """The head that shows this record no longer."""
    return replace(head, poison=tuple(each for each in head.poison if each.key != key))


def _is_kept(letter: str) -> bool:
    return letter in "\t\n\r" or (letter >= " " and letter != "\x7f" and not "\ud800" <= letter <= "\udfff")
