"""What differs between two versions: named cases, and laws that hold for any two lists."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.compliance import RuleCounts, RuleFinding, Scan, Severity
from pipeline_core.domain.differences import ChangeKind, Contents, ScanScore, diff
from pipeline_core.domain.packages import Advisory, Package, parse_nevra

Kind = ChangeKind


def contents(
    *names: str, advisories: tuple[Advisory, ...] | None = None, scan: Scan | None = None
) -> Contents:
    return Contents(packages=tuple(map(parse_nevra, names)), advisories=advisories, scan=scan)


def advisory(identity: str, package: str, severity: str = "", kind: str = "security") -> Advisory:
    return Advisory(id=identity, kind=kind, severity=severity, package=parse_nevra(package))


def scan(*failing: str, profile: str = "cis", score: float = 90.0) -> Scan:
    findings = tuple(
        RuleFinding(rule=rule, result="fail", severity=Severity.HIGH, title=rule.title()) for rule in failing
    )
    return Scan(profile=profile, score=score, counts=RuleCounts(failed=len(failing)), findings=findings)


CASES = {
    "nothing": (["a-1-1.x"], ["a-1-1.x"], []),
    "added": ([], ["a-1-1.x"], [("a", Kind.ADDED, (), ("1-1",))]),
    "removed": (["a-1-1.x"], [], [("a", Kind.REMOVED, ("1-1",), ())]),
    "upgraded": (["a-1.9-1.x"], ["a-1.10-1.x"], [("a", Kind.UPGRADED, ("1.9-1",), ("1.10-1",))]),
    "downgraded": (["a-1.10-1.x"], ["a-1.9-1.x"], [("a", Kind.DOWNGRADED, ("1.10-1",), ("1.9-1",))]),
    "an epoch decides": (["a-9-1.x"], ["a-1:1-1.x"], [("a", Kind.UPGRADED, ("9-1",), ("1:1-1",))]),
    "out of a pre-release": (["a-1~rc1-1.x"], ["a-1-1.x"], [("a", Kind.UPGRADED, ("1~rc1-1",), ("1-1",))]),
    "an older kernel stays": (
        ["kernel-5-1.x"],
        ["kernel-5-1.x", "kernel-5-2.x"],
        [("kernel", Kind.UPGRADED, ("5-1",), ("5-1", "5-2"))],
    ),
    "an older kernel goes": (
        ["kernel-5-2.x", "kernel-5-1.x"],
        ["kernel-5-2.x"],
        [("kernel", Kind.CHANGED, ("5-1", "5-2"), ("5-2",))],
    ),
    "as new, written otherwise": (
        ["a-1.0-1.x"],
        ["a-1_0-1.x"],
        [("a", Kind.CHANGED, ("1.0-1",), ("1_0-1",))],
    ),
    "another architecture": (
        ["a-1-1.i686"],
        ["a-1-1.x86_64"],
        [("a", Kind.REMOVED, ("1-1",), ()), ("a", Kind.ADDED, (), ("1-1",))],
    ),
    "sorted by name": (
        ["b-1-1.x", "c-1-1.x"],
        ["c-2-1.x", "a-1-1.x"],
        [
            ("a", Kind.ADDED, (), ("1-1",)),
            ("b", Kind.REMOVED, ("1-1",), ()),
            ("c", Kind.UPGRADED, ("1-1",), ("2-1",)),
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_packages_differ_as_rpm_orders_them(case: str) -> None:
    before, after, expected = CASES[case]
    found = diff(contents(*before), contents(*after)).packages
    assert [(each.name, each.kind, each.before, each.after) for each in found] == expected


@pytest.mark.parametrize(
    ("before", "after", "fixed"),
    [
        (["a-1-1.x"], ["a-2-1.x"], ["A"]),  # the upgrade passes over what was fixed
        (["a-1-1.x"], ["a-1.5-1.x"], ["A"]),  # exactly the version that brings it
        (["a-1-1.x"], ["a-1.4-1.x"], []),  # not far enough
        (["a-1.5-1.x"], ["a-2-1.x"], []),  # it was there before
        ([], ["a-2-1.x"], []),  # what was not installed was not open
        (["a-1-1.x"], [], []),  # what is gone is not fixed
        (["a-2-1.x"], ["a-1-1.x"], []),  # a downgrade fixes nothing
        (["a-1-1.y"], ["a-2-1.y"], []),  # another architecture's advisory
    ],
)
def test_an_advisory_is_fixed_by_an_upgrade_over_it(
    before: list[str], after: list[str], fixed: list[str]
) -> None:
    told = (advisory("A", "a-1.5-1.x"),)
    for old, new in ((told, ()), ((), told), (told, None), (None, told)):
        found = diff(contents(*before, advisories=old), contents(*after, advisories=new)).fixed
        assert found is not None
        assert [note.id for note in found] == fixed


def test_advisories_are_unknown_where_nobody_could_tell() -> None:
    found = diff(contents("a-1-1.x"), contents("a-2-1.x"))
    assert (found.fixed, found.still_open) == (None, None)
    found = diff(contents("a-1-1.x", advisories=()), contents("a-2-1.x"))
    assert (found.fixed, found.still_open) == ((), None)


def test_what_is_still_open_is_reported_by_the_later_version() -> None:
    told = (advisory("A", "a-3-1.x", "low"), advisory("B", "a-2-1.x"), advisory("C", "absent-9-1.x"))
    found = diff(contents("a-1-1.x", advisories=()), contents("a-2-1.x", advisories=told))
    assert found.still_open is not None
    assert [(note.id, note.severity, note.packages) for note in found.still_open] == [("A", "low", ("a",))]


def test_advisories_are_reported_once_the_gravest_first() -> None:
    told = (
        advisory("E", "a-2-1.x", "", "bugfix"),
        advisory("D", "a-2-1.x", "low"),
        advisory("B", "b-2-1.x", "critical"),
        advisory("B", "a-2-1.x", "critical"),
        advisory("C", "a-2-1.x", "moderate"),
        advisory("A", "a-2-1.x", "important"),
        advisory("F", "a-2-1.x", "a word that nobody knows"),
    )
    found = diff(
        contents("a-1-1.x", "b-1-1.x", advisories=told), contents("a-2-1.x", "b-2-1.x", advisories=told)
    )
    assert found.fixed is not None
    assert [(note.id, note.packages) for note in found.fixed] == [
        ("B", ("a", "b")),
        ("A", ("a",)),
        ("C", ("a",)),
        ("D", ("a",)),
        ("E", ("a",)),
        ("F", ("a",)),
    ]


def test_rules_that_began_and_ended_to_fail_are_named() -> None:
    found = diff(contents(scan=scan("b", "a", score=80.0)), contents(scan=scan("b", "d", "c", score=91.5)))
    change = found.compliance
    assert (change.before, change.after) == (
        ScanScore(profile="cis", score=80.0),
        ScanScore(profile="cis", score=91.5),
    )
    assert change.newly_failing is not None
    assert change.no_longer_failing is not None
    assert [finding.rule for finding in change.newly_failing] == ["c", "d"]
    assert [finding.rule for finding in change.no_longer_failing] == ["a"]


@pytest.mark.parametrize(
    ("before", "after"),
    [(scan("a"), None), (None, scan("a")), (None, None), (scan("a", profile="stig"), scan("a"))],
    ids=["no later scan", "no earlier scan", "no scan", "another profile"],
)
def test_rules_are_unknown_where_scans_cannot_be_compared(before: Scan | None, after: Scan | None) -> None:
    change = diff(contents(scan=before), contents(scan=after)).compliance
    assert (change.newly_failing, change.no_longer_failing) == (None, None)
    assert (change.before is None, change.after is None) == (before is None, after is None)


def test_what_is_simulated_on_either_side_is_simulated() -> None:
    real = contents("a-1-1.x")
    recorded = replace(real, simulated=True)
    assert diff(real, recorded).simulated
    assert diff(recorded, real).simulated
    assert not diff(real, real).simulated


PACKAGES = st.builds(
    Package,
    name=st.sampled_from("abc"),
    version=st.sampled_from(["1", "1~rc1", "1^git", "2", "1.0", "1_0"]),
    release=st.sampled_from(["1", "2"]),
    arch=st.sampled_from(["x", "y"]),
    epoch=st.integers(0, 1),
)
LISTS = st.lists(PACKAGES, max_size=8, unique=True).map(tuple)
_BACK = {
    Kind.ADDED: Kind.REMOVED,
    Kind.REMOVED: Kind.ADDED,
    Kind.UPGRADED: Kind.DOWNGRADED,
    Kind.DOWNGRADED: Kind.UPGRADED,
    Kind.CHANGED: Kind.CHANGED,
}


@given(LISTS, LISTS)
def test_the_way_back_is_the_reverse(before: tuple[Package, ...], after: tuple[Package, ...]) -> None:
    there = diff(Contents(packages=before), Contents(packages=after)).packages
    back = diff(Contents(packages=after), Contents(packages=before)).packages
    assert [(each.name, each.arch, _BACK[each.kind], each.after, each.before) for each in there] == [
        (each.name, each.arch, each.kind, each.before, each.after) for each in back
    ]


@given(LISTS, st.randoms())
def test_the_same_packages_in_any_order_differ_in_nothing(
    packages: tuple[Package, ...], chance: object
) -> None:
    mixed = list(packages)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert diff(Contents(packages=packages), Contents(packages=tuple(mixed))).packages == ()


@given(LISTS, LISTS)
def test_nothing_that_is_equal_is_reported_and_nothing_else_is_kept_quiet(
    before: tuple[Package, ...], after: tuple[Package, ...]
) -> None:
    told = {
        (each.name, each.arch) for each in diff(Contents(packages=before), Contents(packages=after)).packages
    }
    for key in {(one.name, one.arch) for one in (*before, *after)}:
        old = {one.evr for one in before if (one.name, one.arch) == key}
        new = {one.evr for one in after if (one.name, one.arch) == key}
        assert (key in told) is (old != new)
