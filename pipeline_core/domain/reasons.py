"""Why an image is rebuilt: every reason with its old and its new value. And the lane of the build."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, IntEnum, unique


@unique
class ReasonKind(Enum):
    """One difference between what an image was built from and what it should be built from."""

    NEVER_BUILT = "never-built"  # no version was ever published
    SOURCE_CHANGED = "source-changed"  # the Marketplace has another version
    SOURCE_WITHDRAWN = "source-withdrawn"  # a step down: the release it was built from is no longer offered
    PARENT_CHANGED = "parent-changed"  # the parent's channel points at another version
    DEFINITION_CHANGED = "definition-changed"  # the shaping part of the document changed
    BUNDLE_CHANGED = "bundle-changed"  # the folder's content changed
    CATALOG_CHANGED = "catalog-changed"  # a staged tool has another version or digest
    PLATFORM_CHANGED = "platform-changed"  # the steps that no team can skip changed
    REFRESH_DUE = "refresh-due"  # the next interval of maxAge has begun
    REBUILD_REQUESTED = "rebuild-requested"  # a person or an advisory asked for it


@unique
class Lane(IntEnum):
    """Which build goes first: the one with the lower number."""

    SECURITY = 0  # upstream, advisory, platform, and parents of those
    HUMAN = 1  # a person waits: manual request, new or edited definition
    BACKGROUND = 2  # periodic refresh


_KEPT = 4  # moments of security changes that a count names


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCount:
    """How often an image's current version has changed so far, in the lanes that a child must not miss.

    A child keeps its parent's count with its own version. The difference tells which changes it has not seen yet,
    however many there were. `security_at` is when the newest of the security lane came; None: there was none.
    `fixes` are the moments of the newest four of them, oldest first; fewer in rows of older releases.
    """

    security: int = 0
    human: int = 0
    security_at: datetime | None = None
    fixes: tuple[datetime, ...] = ()

    def after(self, lane: Lane, at: datetime) -> "ChangeCount":
        """The count after one more change."""
        match lane:
            case Lane.SECURITY:
                fixes = (*self.fixes, at)[-_KEPT:]
                return replace(self, security=self.security + 1, security_at=at, fixes=fixes)
            case Lane.HUMAN:
                return replace(self, human=self.human + 1)
            case _:
                return self

    def lane_since(self, seen: "ChangeCount") -> Lane:
        """The most urgent lane of the changes after `seen`. A count that fell was lost: that counts as a change."""
        if self.security != seen.security:
            return Lane.SECURITY
        return Lane.BACKGROUND if self.human == seen.human else Lane.HUMAN

    def fix_since(self, seen: "ChangeCount") -> datetime | None:
        """When the first security change after `seen` came; None where there is none, or nothing says when.

        Where more came than moments are kept, it is the oldest that is kept: `is_far_behind` says so.
        """
        unseen = self.security - seen.security
        if unseen == 0:
            return None
        moments = self.fixes[-unseen:] if unseen > 0 else self.fixes[-1:]
        return moments[0] if moments else self.security_at

    def is_far_behind(self, seen: "ChangeCount") -> bool:
        """True where more security changes came after `seen` than moments are kept."""
        return self.security - seen.security > _KEPT


NO_CHANGES = ChangeCount()


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildReason:
    """One reason; `old` and `new` are short texts for a person, empty where there is nothing to show."""

    kind: ReasonKind
    old: str = ""
    new: str = ""

    def __str__(self) -> str:
        change = f": {self.old or 'none'} -> {self.new}" if self.new else ""
        return f"{self.kind.value}{change}"


_LANE = {
    ReasonKind.NEVER_BUILT: Lane.HUMAN,
    ReasonKind.SOURCE_CHANGED: Lane.SECURITY,
    ReasonKind.SOURCE_WITHDRAWN: Lane.BACKGROUND,  # it only comes with another change, and that one has the lane
    ReasonKind.DEFINITION_CHANGED: Lane.HUMAN,
    ReasonKind.BUNDLE_CHANGED: Lane.HUMAN,
    ReasonKind.CATALOG_CHANGED: Lane.SECURITY,
    ReasonKind.PLATFORM_CHANGED: Lane.SECURITY,
    ReasonKind.REFRESH_DUE: Lane.BACKGROUND,
    ReasonKind.REBUILD_REQUESTED: Lane.HUMAN,
}


def lane_of(reasons: Iterable[RebuildReason], parent_lane: Lane | None) -> Lane:
    """The most urgent lane of all reasons. `parent_lane` is that of a changed parent's changes (`domain.lanes`)."""
    lanes = [
        (Lane.BACKGROUND if parent_lane is None else parent_lane)
        if reason.kind is ReasonKind.PARENT_CHANGED
        else _LANE[reason.kind]
        for reason in reasons
    ]
    return min(lanes, default=Lane.BACKGROUND)
