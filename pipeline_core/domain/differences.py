"""What differs between two versions of an image: packages, advisories, compliance. What is unknown stays unknown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, unique

from pipeline_core.domain.compliance import RuleFinding, Scan
from pipeline_core.domain.packages import Advisory, Package

_SEVERITIES = ("critical", "important", "moderate", "low", None)  # the gravest first


@unique
class ChangeKind(Enum):
    """How a package differs. A package may be installed in several versions: the newest decides."""

    ADDED = "added"  # only the later version has it
    REMOVED = "removed"  # only the earlier version has it
    UPGRADED = "upgraded"  # the newest that is installed is newer
    DOWNGRADED = "downgraded"  # the newest that is installed is older
    CHANGED = "changed"  # the newest is as new as before, but the versions are not all the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is known about one version. `advisories` is None where they are unknown, `scan` where no scan was made."""

    packages: tuple[Package, ...]
    advisories: tuple[Advisory, ...] | None = None
    scan: Scan | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """One package that differs; `before` and `after` are its versions there, oldest first."""

    name: str
    arch: str | None
    kind: ChangeKind
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisoryNote:
    """One advisory, with the names of the packages here that it is about."""

    id: str
    kind: str
    severity: str | None
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanScore:
    """What a version scored, 0 to 100, by which profile and by which version of the scanner's content (or empty)."""

    profile: str
    score: float
    benchmark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceChange:
    """Scores, and rules by whether they fail; the rules are None where the two scans cannot be compared.

    A rule that no longer fails has passed, or is no longer tested: the findings do not say which.
    """

    before: ScanScore | None
    after: ScanScore | None
    newly_failing: tuple[RuleFinding, ...] | None
    no_longer_failing: tuple[RuleFinding, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """Everything that differs, sorted. `fixed` and `still_open` are None where they are unknown."""

    packages: tuple[PackageChange, ...]
    fixed: tuple[AdvisoryNote, ...] | None
    still_open: tuple[AdvisoryNote, ...] | None
    compliance: ComplianceChange
    simulated: bool = False


def diff(before: Contents, after: Contents) -> Differences:
    """From `before` to `after`; equal contents have no differences."""
    old, new = _by_name(before.packages), _by_name(after.packages)
    changes = [
        _change(name, old.get(name, ()), new.get(name, ()))
        for name in sorted(old.keys() | new.keys())
        if _versions(old.get(name, ())) != _versions(new.get(name, ()))
    ]
    return Differences(
        packages=tuple(changes),
        fixed=_fixed(before, after, old, new),
        still_open=_still_open(after, new),
        compliance=_compliance(before.scan, after.scan),
        simulated=before.simulated or after.simulated,
    )


_Key = tuple[str, str]  # name and architecture
_Installed = Mapping[_Key, tuple[Package, ...]]


def _by_name(packages: Iterable[Package]) -> dict[_Key, tuple[Package, ...]]:
    found: dict[_Key, list[Package]] = {}
    for package in packages:
        found.setdefault((package.name, package.arch), []).append(package)
    return {key: tuple(sorted(each, key=lambda one: (one.order, one.evr))) for key, each in found.items()}


def _versions(packages: tuple[Package, ...]) -> tuple[str, ...]:
    return tuple(package.evr for package in packages)


def _change(name: _Key, before: tuple[Package, ...], after: tuple[Package, ...]) -> PackageChange:
    return PackageChange(
        name=name[0],
        arch=name[1] or None,
        kind=_kind(before, after),
        before=_versions(before),
        after=_versions(after),
    )


def _kind(before: tuple[Package, ...], after: tuple[Package, ...]) -> ChangeKind:
    if not before:
        return ChangeKind.ADDED
    if not after:
        return ChangeKind.REMOVED
    old, new = before[-1].order, after[-1].order
    if new > old:
        return ChangeKind.UPGRADED
    return ChangeKind.DOWNGRADED if new < old else ChangeKind.CHANGED


def _fixed(
    before: Contents, after: Contents, old: _Installed, new: _Installed
) -> tuple[AdvisoryNote, ...] | None:
    """Advisories whose package is newer than the one installed before, and not newer than the one installed now."""
    if before.advisories is None and after.advisories is None:
        return None
    known = (*(before.advisories or ()), *(after.advisories or ()))
    return _notes(
        each
        for each in known
        if _is_above(each.package, old) is True and _is_above(each.package, new) is False
    )


def _still_open(after: Contents, new: _Installed) -> tuple[AdvisoryNote, ...] | None:
    if after.advisories is None:
        return None
    return _notes(each for each in after.advisories if _is_above(each.package, new) is True)


def _is_above(package: Package, installed: _Installed) -> bool | None:
    """Whether the package is newer than the installed one; None where none is installed."""
    found = installed.get((package.name, package.arch))
    return None if found is None else package.order > found[-1].order


def _notes(advisories: Iterable[Advisory]) -> tuple[AdvisoryNote, ...]:
    names: dict[tuple[str, str, str | None], set[str]] = {}
    for each in advisories:
        names.setdefault((each.id, each.kind, each.severity), set()).add(each.package.name)
    notes = [
        AdvisoryNote(id=identity, kind=kind, severity=severity, packages=tuple(sorted(found)))
        for (identity, kind, severity), found in names.items()
    ]
    return tuple(sorted(notes, key=lambda note: (_gravity(note.severity), note.id, note.kind)))


def _gravity(severity: str | None) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def _compliance(before: Scan | None, after: Scan | None) -> ComplianceChange:
    newly: tuple[RuleFinding, ...] | None = None
    gone: tuple[RuleFinding, ...] | None = None
    if before is not None and after is not None and before.profile == after.profile:
        newly, gone = _only(after, before), _only(before, after)
    return ComplianceChange(
        before=_score(before), after=_score(after), newly_failing=newly, no_longer_failing=gone
    )


def _score(scan: Scan | None) -> ScanScore | None:
    return (
        None if scan is None else ScanScore(profile=scan.profile, score=scan.score, benchmark=scan.benchmark)
    )


def _only(one: Scan, other: Scan) -> tuple[RuleFinding, ...]:
    """Rules that are findings in `one` and not in `other`."""
    known = {finding.rule for finding in other.findings}
    return tuple(sorted((each for each in one.findings if each.rule not in known), key=_rule_of))


def _rule_of(finding: RuleFinding) -> str:
    return finding.rule
