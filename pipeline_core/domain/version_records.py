"""What the factory knows about one published version beside the gallery: may it be current, and who decided so.

Pure. A version without a record is LIVE. Recovery of lost tables finds no records, and then begins with none.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, unique

from pipeline_core.domain.actors import ActorOrPart, actor_of
from pipeline_core.domain.images import PublishedVersion
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.versions import GalleryVersion

LETTING_IN = timedelta(minutes=10)  # for which an intent to include keeps a look from taking the version back
RENEWED_AFTER = LETTING_IN / 2  # a process that is still at it writes the intent again
_CALL = timedelta(minutes=2)  # in which a call to exclude has been made that was decided on
RETENTION = "retention"  # the actor of what no person decided


@unique
class Standing(Enum):
    """Whether a version may be current, or become it again; who takes it out decides, and says why."""

    LIVE = "live"  # it may be current
    SPARE = "spare"  # the factory keeps it out of `latest`, since it is not wanted now; it may be used again
    EXCLUDED = (
        "excluded"  # a person took it out of `latest`: it becomes current only after it was included again
    )
    GONE = "gone"  # its gallery does not hold it any more, and nobody of the factory has deleted it
    PRUNING = "pruning"  # retention took it out of `latest`, and deletes it later; it may still be used again
    PRUNED = "pruned"  # retention deletes it, or has deleted it: it is never current again

    @property
    def may_be_current(self) -> bool:
        """True if a reuse may make the version current. One that retention will delete is taken back then."""
        return self in (Standing.LIVE, Standing.SPARE, Standing.PRUNING)


@unique
class Intent(Enum):
    """A change of `latest` that the factory has decided and that no look has confirmed yet."""

    EXCLUDE = "exclude"  # take the version out
    INCLUDE = "include"  # let it in


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """The standing of one version since `at`. `actor` and `reason` are for people.

    `intent` is written before the factory's own call, and removed when a look has confirmed it: without one, a changed
    mark is a stranger's. `published` are the facts that make the version current again; they outlive its build's row.
    `delete_after` is set while it is PRUNING. `marked_until` is the end of life that retention has written into the
    gallery, None where the gallery shows its own. `was_standing`, `was_excluded` and `end_of_life` are from before
    that, so that the version can be taken back.
    """

    image: ImageName
    version: GalleryVersion
    standing: Standing = Standing.LIVE
    at: datetime | None = None
    actor: str = ""
    identity: str | None = None
    reason: str = ""
    delete_after: datetime | None = None
    marked_until: datetime | None = None
    was_standing: Standing = Standing.LIVE
    was_excluded: bool = True
    end_of_life: datetime | None = None
    intent: Intent | None = None
    published: PublishedVersion | None = None


def is_being_let_in(record: VersionRecord | None, now: datetime) -> bool:
    """True while somebody of the factory, or a person, is about to make the version current.

    The intent of a process that died, or whose wish has passed, holds for no longer than LETTING_IN.
    """
    return _intends(record, Intent.INCLUDE, now - LETTING_IN)


def may_be_taken_out_yet(record: VersionRecord | None, now: datetime) -> bool:
    """True while a call that takes the version out may be on its way: one that lets it in could be undone by it."""
    return _intends(record, Intent.EXCLUDE, now - _CALL)


def _intends(record: VersionRecord | None, intent: Intent, after: datetime) -> bool:
    return record is not None and record.intent is intent and record.at is not None and record.at > after


def standing_of(record: VersionRecord | None, *, is_offered: bool, is_above: bool) -> Standing:
    """The standing of a version as the gallery shows it. `is_above`: above the current one, or nothing is current.

    A version that is out of `latest` without a record was kept out by an older release of the factory if it is above
    the current one. Any other was taken out by somebody else.
    """
    if record is not None and record.standing is not Standing.LIVE:
        return record.standing
    if is_offered or (record is not None and record.intent is Intent.INCLUDE):
        return Standing.LIVE
    is_ours = is_above if record is None else record.intent is Intent.EXCLUDE
    return Standing.SPARE if is_ours else Standing.EXCLUDED


def change(
    record: VersionRecord, standing: Standing, at: datetime, *, actor: ActorOrPart, reason: str
) -> VersionRecord:
    """The record with another standing. What belongs to the old one alone is dropped."""
    by = actor_of(actor)
    return replace(
        record,
        standing=standing,
        at=at,
        actor=by.name,
        identity=by.identity,
        reason=reason,
        delete_after=None,
        intent=None,
    )
