"""Leases: whether a thing that carries a build's tags may be removed. The lease decides, never the name or the age.

This module must not guess: a thing with unreadable tags stays, and a person looks at it. A thing that may go once may
always go. So a decision on a row that was read a moment ago is as good as one on a newer row.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, unique

from pipeline_core.domain.attempts import ATTEMPT_TAG, BUILD_TAG, LEASE_TAG, STAGE_TAG
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.names import BuildId

CLOCK_ERROR = timedelta(minutes=5)  # a lease is over only when it is also over by a clock that is this late


@unique
class Judgement(Enum):
    """What to do with a thing that a build made, and why; the text goes into logs and the journal."""

    ENDED = "its build has ended"
    REPLACED = "a later attempt took its place, and its lease is over"
    UNCLAIMED = "no build is known for it, and its lease is over"
    IN_USE = "its build goes on and may use it"
    LEASED = "its lease is not over"
    NO_LEASE = "its lease is missing or unreadable: look who owns it, then delete it by hand"
    NO_BUILD_ID = "its build tag is not a build id: look who owns it, then delete it by hand"
    NO_ATTEMPT = "its stage or attempt is missing or unreadable; it goes when its build has ended"

    @property
    def is_removal(self) -> bool:
        """True where it may be removed now."""
        return self in (Judgement.ENDED, Judgement.REPLACED, Judgement.UNCLAIMED)

    @property
    def needs_person(self) -> bool:
        """True where it stays until a person deletes it."""
        return self in (Judgement.NO_LEASE, Judgement.NO_BUILD_ID)


def find_build_id(tags: Mapping[str, str]) -> BuildId | None:
    """The build that the tags name, or None where they name none in our form."""
    try:
        return BuildId(tags.get(BUILD_TAG, ""))
    except InvalidValue:
        return None


def find_lease(tags: Mapping[str, str]) -> datetime | None:
    """The moment until which the lease holds, or None where the tag is missing or unreadable."""
    try:
        until = datetime.fromisoformat(tags.get(LEASE_TAG, ""))
    except ValueError:
        return None
    return until if until.tzinfo is not None else None


def is_leased(tags: Mapping[str, str], now: datetime) -> bool:
    """True while the lease holds, by a clock that is late too: what a build that goes on has leased stays."""
    until = find_lease(tags)
    return until is not None and now - until < CLOCK_ERROR


def judge(tags: Mapping[str, str], build: Build | None, now: datetime) -> Judgement:
    """What to do with the thing that carries `tags`; `build` is the stored build that they name, or None.

    A thing whose build has no row stays until its lease is over: it may be another factory's, or the tables were lost.
    """
    if find_lease(tags) is None:
        return Judgement.NO_LEASE
    if find_build_id(tags) is None:
        return Judgement.NO_BUILD_ID
    is_over = not is_leased(tags, now)
    if build is None:
        return Judgement.UNCLAIMED if is_over else Judgement.LEASED
    if build.is_finished:
        return Judgement.ENDED
    attempt = _attempt(tags)
    if attempt is None:
        return Judgement.NO_ATTEMPT
    if not _is_replaced(build, tags[STAGE_TAG], attempt):
        return Judgement.IN_USE
    return Judgement.REPLACED if is_over else Judgement.LEASED


def _attempt(tags: Mapping[str, str]) -> int | None:
    """The attempt, where both it and the stage can be read."""
    text = tags.get(ATTEMPT_TAG, "")
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    is_stage = tags.get(STAGE_TAG) in (Phase.BUILDING.stage, Phase.VERIFYING.stage)
    return int(text) if is_number and is_stage else None


def _is_replaced(build: Build, stage: str, attempt: int) -> bool:
    """True for an attempt that a later one of a build that goes on has replaced.

    The attempt whose version is verified or published counts as used until the build ends.
    """
    if stage == Phase.BUILDING.stage:
        return attempt < (build.attempt if build.phase is Phase.BUILDING else build.build_attempt)
    if build.phase is Phase.PUBLISHING:
        return True  # every attempt to verify is over: its groups were seen to be gone
    return build.phase is Phase.VERIFYING and attempt < build.attempt
