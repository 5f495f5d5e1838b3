"""Which live versions may be removed. Unknown use never means unused: a version that may be in use stays."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from pipeline_core.domain.definitions import Retention
from pipeline_core.domain.versions import GalleryVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVersions:
    """Versions that stay, independent of their number or age."""

    current: GalleryVersion | None
    parents_of_current: frozenset[GalleryVersion]


def prunable(
    versions: Collection[GalleryVersion], kept: KeptVersions, rule: Retention, now: datetime
) -> tuple[GalleryVersion, ...]:
    """Oldest first: all but the newest `rule.keep`, the current one, parents of current versions, and those
    younger than `rule.max_age`. None at all where `rule.keep_in_use` holds, since use is not known yet."""
    if rule.keep_in_use:
        return ()
    ordered = sorted(versions)
    candidates = ordered[: max(0, len(ordered) - rule.keep)]
    return tuple(
        version
        for version in candidates
        if version != kept.current
        and version not in kept.parents_of_current
        and not _is_young(version, rule, now)
    )


def _is_young(version: GalleryVersion, rule: Retention, now: datetime) -> bool:
    if rule.max_age is None:
        return False
    return date.fromisoformat(f"{version.day:08d}") > (now - rule.max_age).date()
