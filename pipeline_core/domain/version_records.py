"""What the factory knows about one published version beside the gallery: may it be current, and who decided so.

Pure. A version without a record is LIVE. Recovery of lost tables finds no records, and then begins with none.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, unique

from pipeline_core.domain.names import ImageName
from pipeline_core.domain.versions import GalleryVersion

RETENTION = "retention"  # the actor of what no person decided


@unique
class Standing(Enum):
    """Whether a version may be current, or become it again; who takes it out decides, and says why."""

    LIVE = "live"  # it may be current
    EXCLUDED = (
        "excluded"  # a person took it out of `latest`: it becomes current only after it was included again
    )
    PRUNING = "pruning"  # retention took it out of `latest`, and deletes it later; it may still be used again
    PRUNED = "pruned"  # retention deletes it, or has deleted it: it is never current again

    @property
    def may_be_current(self) -> bool:
        """True if a reuse may make the version current. One that retention will delete is taken back then."""
        return self in (Standing.LIVE, Standing.PRUNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """The standing of one version since `at`. `actor` and `reason` are for people.

    `delete_after` is set while it is PRUNING. `marked_until` is the end of life that retention has written into the
    gallery, None where the gallery shows its own. `was_standing`, `was_excluded` and `end_of_life` are from before
    that, so that the version can be taken back.
    """

    image: ImageName
    version: GalleryVersion
    standing: Standing = Standing.LIVE
    at: datetime | None = None
    actor: str = ""
    reason: str = ""
    delete_after: datetime | None = None
    marked_until: datetime | None = None
    was_standing: Standing = Standing.LIVE
    was_excluded: bool = True
    end_of_life: datetime | None = None


def change(
    record: VersionRecord, standing: Standing, at: datetime, *, actor: str, reason: str
) -> VersionRecord:
    """The record with another standing. What belongs to the old one alone is dropped."""
    return replace(record, standing=standing, at=at, actor=actor, reason=reason, delete_after=None)
