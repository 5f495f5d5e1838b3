"""Which live versions retention may remove, and how far each removal is. Pure.

A version leaves in two steps. First it is excluded from latest, with the end of its life written into the gallery.
After a grace period it is deleted, unless something uses it by then. What is not known never means unused.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, unique

from pipeline_core.domain.definitions import Retention
from pipeline_core.domain.version_records import Standing, VersionRecord
from pipeline_core.domain.versions import GalleryVersion

GRACE = timedelta(
    days=7
)  # between the exclusion of a version and its deletion, where no setting says otherwise


@unique
class Removal(Enum):
    """What retention does about a version now."""

    NONE = "keep"  # it stays
    EXCLUDE = "exclude"  # it leaves `latest`, and gets its end of life
    WAIT = "wait"  # it is excluded; its grace period runs
    DELETE = "delete"  # its grace period is over, and nothing uses it
    TAKE_BACK = "take-back"  # it was excluded, and stays: the gallery shows its former marks again


@unique
class KeepRule(Enum):
    """Why a version stays."""

    CURRENT = "current"  # the image's head points at it
    LAST_GOOD = "last-good"  # the image would go back to it
    PARENT = "parent"  # the current version of a child was built from it
    BUILD = "build"  # a build that has not ended uses it
    IN_USE = "in-use"  # machines run it
    USE_UNKNOWN = "use-unknown"  # the definition keeps what is in use, and nobody knows what is
    NEWEST = "newest"  # it is among the newest ones that `keep` keeps
    YOUNG = "young"  # it is younger than `maxAge`, or than the grace period
    UNDATED = "undated"  # its number does not say its age
    NOT_OURS = "not-ours"  # it has no provenance of this factory
    EXCLUDED = "excluded"  # a person took it out of `latest`, and decides about it
    UNSETTLED = "unsettled"  # it is being made, changed or deleted
    NO_RULE = "no-rule"  # an older release deleted the image, so that its rule of retention is not known
    UNSEEN = "unseen"  # the list of versions does not show the current one, so it is not believed


_USES = frozenset({KeepRule.CURRENT, KeepRule.PARENT, KeepRule.BUILD, KeepRule.IN_USE})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepReason:
    """One reason why a version stays: `by` for programs, `message` for people."""

    by: KeepRule
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedVersion:
    """A version as the gallery shows it, with its record.

    `is_ours`: it has a provenance of this factory. `is_settled`: the platform has finished with it. `is_offered`:
    it is in `latest` now.
    """

    version: GalleryVersion
    is_ours: bool
    is_settled: bool
    is_offered: bool = True
    record: VersionRecord | None = None

    @property
    def standing(self) -> Standing:
        """The record's standing; a version without a record is live."""
        return Standing.LIVE if self.record is None else self.record.standing


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionUses:
    """What uses versions of an image, read from the records and never from a copy of them.

    `builds` and `children` map a version to the names of what uses it. `in_fleet` holds the versions that machines
    run; None where nobody knows.
    """

    current: GalleryVersion | None
    builds: Mapping[GalleryVersion, tuple[str, ...]]
    children: Mapping[GalleryVersion, tuple[str, ...]]
    in_fleet: frozenset[GalleryVersion] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionStep:
    """What is done about one version. `reasons` says why it stays; `delete_after` is set while it waits."""

    version: GalleryVersion
    removal: Removal
    reasons: tuple[KeepReason, ...] = ()
    delete_after: datetime | None = None

    @property
    def waits_for_use(self) -> bool:
        """True if the version would go, were it known that no machine uses it."""
        return bool(self.reasons) and all(each.by is KeepRule.USE_UNKNOWN for each in self.reasons)


def plan_removals(
    listed: Collection[ListedVersion],
    uses: VersionUses,
    rule: Retention,
    now: datetime,
    *,
    grace: timedelta = GRACE,
) -> tuple[RetentionStep, ...]:
    """One step for each version that is listed, oldest first.

    `grace` is the time from exclusion to deletion, and the least age of a version that is excluded.
    """
    shown = {each.version: each for each in listed}
    if uses.current is None or uses.current not in shown:
        unseen = _unseen(uses.current)
        return tuple(
            RetentionStep(version=version, removal=Removal.NONE, reasons=(unseen,))
            for version in sorted(shown)
        )
    newest = frozenset(sorted(map(_number, filter(_counts, listed)), reverse=True)[: rule.keep])
    last_good = find_last_good(listed, uses.current)
    steps = []
    for version in sorted(shown):
        each = shown[version]
        reasons = (
            *_reasons_of_state(each),
            *_reasons_of_use(version, uses, rule, last_good),
            *_reasons_of_rule(version, rule, newest, now, grace),
        )
        steps.append(_step(each, reasons, now))
    return tuple(steps)


def keep_all(listed: Iterable[ListedVersion]) -> tuple[RetentionStep, ...]:
    """One step for each version, oldest first, where no rule is known: each of them stays."""
    reason = KeepReason(by=KeepRule.NO_RULE, message="the image was deleted, and its rule is not known")
    versions = sorted(map(_number, listed))
    return tuple(
        RetentionStep(version=version, removal=Removal.NONE, reasons=(reason,)) for version in versions
    )


def list_fallbacks(listed: Iterable[ListedVersion], current: GalleryVersion) -> tuple[GalleryVersion, ...]:
    """The versions that become current by themselves where the current one is lost, the first choice first.

    A spare version is none of them: the factory, or a person who went back, has decided against it.
    """
    good = (
        each.version
        for each in listed
        if each.version < current
        and each.is_ours
        and each.is_settled
        and each.is_offered
        and each.standing is Standing.LIVE
    )
    return tuple(sorted(good, reverse=True))


def find_last_good(listed: Collection[ListedVersion], current: GalleryVersion) -> GalleryVersion | None:
    """The version that the image would go back to.

    Where it goes back to none by itself, it is one that retention takes back for this, then one that a reuse may make
    current: the next below the current one, else the next above it.
    """
    fallbacks = list_fallbacks(listed, current)
    if fallbacks:
        return fallbacks[0]
    good = [each for each in listed if each.version != current and _counts(each) and each.is_settled]
    below = [each for each in good if each.version < current]
    if below:
        return max(below, key=lambda each: (_was_offered(each), each.version)).version
    return min(map(_number, good), default=None)


def _step(each: ListedVersion, reasons: tuple[KeepReason, ...], now: datetime) -> RetentionStep:
    due = None if each.record is None else each.record.delete_after
    if each.standing is Standing.PRUNED:
        return _step_of_pruned(each, reasons)
    if each.standing is not Standing.PRUNING:
        is_marked = each.record is not None and each.record.marked_until is not None
        kept = Removal.TAKE_BACK if is_marked and each.is_settled else Removal.NONE
        removal = kept if reasons else Removal.EXCLUDE
        return RetentionStep(version=each.version, removal=removal, reasons=reasons)
    if reasons and each.is_settled:
        return RetentionStep(version=each.version, removal=Removal.TAKE_BACK, reasons=reasons)
    is_due = due is not None and due <= now and not reasons
    removal = Removal.DELETE if is_due else Removal.WAIT
    return RetentionStep(version=each.version, removal=removal, reasons=reasons, delete_after=due)


def _step_of_pruned(each: ListedVersion, reasons: tuple[KeepReason, ...]) -> RetentionStep:
    """The deletion was committed and the version is listed: the call was lost, or Azure deletes it now."""
    if not each.is_settled:
        return RetentionStep(version=each.version, removal=Removal.WAIT, reasons=reasons)
    is_used = any(reason.by in _USES for reason in reasons)
    removal = Removal.TAKE_BACK if is_used else Removal.DELETE
    return RetentionStep(version=each.version, removal=removal, reasons=reasons)


def _reasons_of_state(each: ListedVersion) -> Iterable[KeepReason]:
    if not each.is_ours:
        yield KeepReason(by=KeepRule.NOT_OURS, message="it has no provenance of this factory")
    if not each.is_settled:
        yield KeepReason(by=KeepRule.UNSETTLED, message="Azure has not finished a change of it")
    if each.record is not None and not (each.standing.may_be_current or each.standing is Standing.PRUNED):
        who = each.record.actor or "somebody"
        yield KeepReason(by=KeepRule.EXCLUDED, message=f"{who} excluded it, and a person decides about it")


def _reasons_of_use(
    version: GalleryVersion, uses: VersionUses, rule: Retention, last_good: GalleryVersion | None
) -> Iterable[KeepReason]:
    if version == uses.current:
        yield KeepReason(by=KeepRule.CURRENT, message="it is current")
    if version == last_good:
        yield KeepReason(by=KeepRule.LAST_GOOD, message="it is the last good one beside the current one")
    for build in uses.builds.get(version, ()):
        yield KeepReason(by=KeepRule.BUILD, message=f"build {build} uses it")
    for child in uses.children.get(version, ()):
        yield KeepReason(by=KeepRule.PARENT, message=f"the current version of {child} is built from it")
    if rule.keep_in_use and uses.in_fleet is None:
        text = "machines may use it: keepInUse is true, and no inventory says which versions are in use"
        yield KeepReason(by=KeepRule.USE_UNKNOWN, message=text)
    elif rule.keep_in_use and uses.in_fleet is not None and version in uses.in_fleet:
        yield KeepReason(by=KeepRule.IN_USE, message="machines use it")


def _reasons_of_rule(
    version: GalleryVersion,
    rule: Retention,
    newest: frozenset[GalleryVersion],
    now: datetime,
    grace: timedelta,
) -> Iterable[KeepReason]:
    if version in newest:
        yield KeepReason(by=KeepRule.NEWEST, message=f"it is one of the newest {rule.keep}")
    day, least = _day_of(version), max(rule.max_age or grace, grace)
    if day is None:
        yield KeepReason(by=KeepRule.UNDATED, message="its number does not say from which day it is")
    elif day > (now - least).date():
        yield KeepReason(by=KeepRule.YOUNG, message=f"it is younger than {_days(least)}")


def _unseen(current: GalleryVersion | None) -> KeepReason:
    text = (
        "nothing is current, and the factory does not choose what may go"
        if current is None
        else f"the gallery's list does not show the current version {current}, so it is not believed"
    )
    return KeepReason(by=KeepRule.UNSEEN, message=text)


def _counts(each: ListedVersion) -> bool:
    """True for a version that `keep` counts: what can never be current again keeps no place."""
    return each.is_ours and each.standing.may_be_current


def _was_offered(each: ListedVersion) -> bool:
    """True for a version that is in `latest` again as soon as retention takes it back."""
    record = each.record
    if record is None or record.standing is not Standing.PRUNING:
        return each.standing is Standing.LIVE
    return record.was_standing is Standing.LIVE and not record.was_excluded


def _number(each: ListedVersion) -> GalleryVersion:
    return each.version


def _days(span: timedelta) -> str:
    days = max(1, round(span / timedelta(days=1)))
    return "a day" if days == 1 else f"{days} days"


def _day_of(version: GalleryVersion) -> date | None:
    """The day in a version's number; None where it holds none, as in 1.0.0."""
    try:
        return date.fromisoformat(f"{version.day:08d}")
    except ValueError:
        return None
