"""What lies below SecOps' floor: every breach of a definition and of a live version, by truth table."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipeline_core.domain import conditions, floors
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.definitions import (
    BuildRecipe,
    ComplianceTarget,
    ImageDefinition,
    OsTraits,
    Publication,
    RebuildRules,
    Retention,
    TargetRegion,
    Verification,
    Waiver,
)
from pipeline_core.domain.floors import Breach, LiveScan, Promises
from pipeline_core.domain.names import LIVE, Region, TeamName
from pipeline_core.domain.policy import OPEN, ComplianceFloor, Policy, WaiverRules
from pipeline_core.domain.sources import ParentReference
from pipeline_core.domain.team_limits import PerTeamLimits, PolicyLimits
from pipeline_core.domain.verdicts import Verdict
from tests.unit.domain import factories as make

TODAY = date(2026, 11, 21)
WEST, NORTH = Region("westeurope"), Region("northeurope")
HIGH = Policy(revision=3, compliance=ComplianceFloor(profile="cis", min_score=80))
OWNER = "Sec@example.com"
PAYMENTS = TeamName("payments")
KEPT = Promises(profile="cis", min_score=90, waivers=((OWNER, date(2026, 12, 1)),), regions=(WEST,))


def _of(promises: Promises = KEPT, policy: Policy = OPEN, **changes: Any) -> list[Breach]:
    given: dict[str, Any] = {
        "origin": make.SOURCE,
        "catalog": ("falcon",),
        "max_age": None,
        "root": make.BASE,
        "team": PAYMENTS,
    }
    return [*floors.breaches(promises, policy=policy, **{**given, **changes})]


def _limited(general: PerTeamLimits, **teams: PerTeamLimits) -> Policy:
    return Policy(
        revision=4,
        limits=PolicyLimits(general=general, teams={TeamName(name): each for name, each in teams.items()}),
    )


LARGE = replace(
    KEPT,
    vm_size="Standard_D4s_v5",
    timeout=timedelta(hours=2),
    regions=(WEST, NORTH),
    replicas=(1, 3),
)
TIGHT = PerTeamLimits(
    machine_sizes=frozenset({"standard_d2s_v5", "standard_b2s"}),
    timeout=timedelta(minutes=90),
    replicas=2,
    regions=1,
)

CASES: dict[str, tuple[Promises, Policy, dict[str, Any], list[str]]] = {
    "nothing is in force": (KEPT, OPEN, {}, []),
    "at the floor": (replace(KEPT, min_score=80), HIGH, {}, []),
    "another profile": (
        replace(KEPT, profile="stig"),
        HIGH,
        {},
        ["spec.verify.compliance.profile: is 'stig', and the floor in policy 3 demands 'cis'"],
    ),
    "a lower score": (
        replace(KEPT, min_score=79),
        HIGH,
        {},
        ["spec.verify.compliance.minScore: is 79, and the floor in policy 3 demands 80"],
    ),
    "no scan asked for": (Promises(), HIGH, {}, []),
    "any profile, but a score": (
        replace(KEPT, profile="stig", min_score=1),
        Policy(revision=1, compliance=ComplianceFloor(min_score=2)),
        {},
        ["spec.verify.compliance.minScore: is 1, and the floor in policy 1 demands 2"],
    ),
    "a base of its own": (
        KEPT,
        Policy(revision=2, bases={make.BASE: ComplianceFloor(profile="cis", min_score=95)}),
        {},
        ["spec.verify.compliance.minScore: is 90, and the floor of rhel9-base in policy 2 demands 95"],
    ),
    "another base's": (
        KEPT,
        Policy(revision=2, bases={make.CHILD: ComplianceFloor(min_score=95)}),
        {},
        [],
    ),
    "a waiver that nobody granted": (
        KEPT,
        Policy(revision=1, waivers=WaiverRules(grantors=frozenset({"role:x"}), longest=timedelta(days=1))),
        {},
        [],
    ),
    "a source that is listed": (
        KEPT,
        Policy(revision=1, sources=frozenset({"redhat:rhel:9-lvm-gen2"})),
        {},
        [],
    ),
    "a source that is not": (
        KEPT,
        Policy(revision=1, sources=frozenset({"redhat:rhel:8-lvm-gen2"})),
        {},
        ["spec.marketplace: is redhat:rhel:9-lvm-gen2, which policy 1 does not allow as a source"],
    ),
    "a child has no source": (
        KEPT,
        Policy(revision=1, sources=frozenset({"redhat:rhel:8-lvm-gen2"})),
        {"origin": ParentReference(image=make.BASE, channel=LIVE)},
        [],
    ),
    "a region that is not listed": (
        replace(KEPT, regions=(NORTH, WEST)),
        Policy(revision=1, regions=frozenset({NORTH})),
        {},
        ["spec.publish.regions[1].name: is 'westeurope', which policy 1 does not allow as a region"],
    ),
    "a tool that is not listed": (
        KEPT,
        Policy(revision=1, catalog=frozenset({"falcon"})),
        {"catalog": ("falcon", "nessus")},
        ["spec.build.catalog[1]: is 'nessus', which policy 1 does not allow in an image"],
    ),
    "a disk of the source's size": (KEPT, Policy(revision=1, largest_os_disk=128), {}, []),
    "as large a disk as allowed": (
        replace(KEPT, os_disk_gb=128),
        Policy(revision=1, largest_os_disk=128),
        {},
        [],
    ),
    "a disk without a limit": (replace(KEPT, os_disk_gb=4095), Policy(revision=1), {}, []),
    "a larger disk than allowed": (
        replace(KEPT, os_disk_gb=129),
        Policy(revision=1, largest_os_disk=128),
        {},
        ["spec.build.osDiskSizeGb: is 129, and policy 1 allows 128 at most"],
    ),
    "as old as allowed": (
        KEPT,
        Policy(revision=1, longest_max_age=timedelta(days=30)),
        {"max_age": timedelta(days=30)},
        [],
    ),
    "older than allowed": (
        KEPT,
        Policy(revision=1, longest_max_age=timedelta(hours=36)),
        {"max_age": timedelta(days=30)},
        ["spec.rebuild.maxAge: is 30d, and policy 1 allows 36h at most"],
    ),
    "never refreshed": (
        KEPT,
        Policy(revision=1, longest_max_age=timedelta(days=30)),
        {},
        ["spec.rebuild.maxAge: is without a limit, and policy 1 allows 30d at most"],
    ),
    "as much as the limits allow": (
        LARGE,
        _limited(
            PerTeamLimits(
                machine_sizes=frozenset({"standard_d4s_v5"}),
                timeout=timedelta(hours=2),
                replicas=3,
                regions=2,
            )
        ),
        {},
        [],
    ),
    "everything over a limit": (
        LARGE,
        _limited(TIGHT),
        {},
        [
            "spec.build.vmSize: is Standard_D4s_v5, which the limit in policy 4 does not allow as a size of machines",
            "spec.build.timeout: is 2h, and the limit in policy 4 allows 90m at most",
            "spec.publish.regions: has 2 regions, and the limit in policy 4 allows 1 at most",
            "spec.publish.regions[1].replicas: is 3, and the limit in policy 4 allows 2 at most",
        ],
    ),
    "a team with limits of its own": (
        LARGE,
        _limited(PerTeamLimits(), payments=replace(TIGHT, regions=2, machine_sizes=frozenset(), replicas=3)),
        {},
        ["spec.build.timeout: is 2h, and the limit of team payments in policy 4 allows 90m at most"],
    ),
    "a team with larger limits": (LARGE, _limited(TIGHT, payments=PerTeamLimits()), {}, []),
    "a team beside another with limits": (LARGE, _limited(PerTeamLimits(), billing=TIGHT), {}, []),
    "a registration of an older release": (KEPT, _limited(TIGHT), {}, []),
    "limits without a policy": (
        LARGE,
        replace(_limited(replace(TIGHT, machine_sizes=frozenset(), regions=2, replicas=3)), revision=0),
        {},
        ["spec.build.timeout: is 2h, and the limit of the factory allows 90m at most"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_definition_is_held_against_the_policy(case: str) -> None:
    promises, policy, changes, expected = CASES[case]
    found = _of(promises, policy, **changes)
    assert [str(breach) for breach in found] == expected
    assert all(breach.remedy for breach in found)


def test_every_breach_is_reported_at_once() -> None:
    policy = Policy(
        revision=9,
        compliance=ComplianceFloor(profile="stig", min_score=95),
        waivers=WaiverRules(grantors=frozenset({"ciso@example.com"}), longest=timedelta(days=1)),
        sources=frozenset({"a:b:c"}),
        regions=frozenset({NORTH}),
        catalog=frozenset({"nessus"}),
        longest_max_age=timedelta(days=7),
    )
    assert len(_of(KEPT, policy, max_age=timedelta(days=8))) == 6


def test_a_remedy_names_ten_of_many_allowed_values() -> None:
    policy = Policy(revision=1, catalog=frozenset(f"tool{number:02}" for number in range(12)))
    (breach,) = _of(KEPT, policy)
    assert breach.remedy.endswith("tool08, tool09 and 2 more")


LIVE_CASES: dict[str, tuple[LiveScan | None, Policy, str]] = {
    "no floor, no scan": (None, OPEN, ""),
    "no floor, a scan": (LiveScan(profile="cis", score=1), OPEN, ""),
    "no scan known": (
        None,
        HIGH,
        "9.20261121.1: no scan of it is known, and the floor in policy 3 demands 'cis'",
    ),
    "at the floor": (LiveScan(profile="cis", score=80), HIGH, ""),
    "below": (
        LiveScan(profile="cis", score=79.5),
        HIGH,
        "9.20261121.1: scored 79.5, and the floor in policy 3 demands 80",
    ),
    "by another profile": (
        LiveScan(profile="stig", score=10),
        HIGH,
        "9.20261121.1: was scanned by 'stig', and the floor in policy 3 demands 'cis'",
    ),
    "any profile": (
        LiveScan(profile="stig", score=10),
        Policy(revision=1, compliance=ComplianceFloor(min_score=11)),
        "9.20261121.1: scored 10, and the floor in policy 1 demands 11",
    ),
}


@pytest.mark.parametrize("case", LIVE_CASES)
def test_a_live_version_is_held_against_the_policy(case: str) -> None:
    scan, policy, expected = LIVE_CASES[case]
    found = [*floors.live_breaches("9.20261121.1", scan, policy=policy, root=make.BASE)]
    assert [str(breach) for breach in found] == ([expected] if expected else [])


def _definition(target: ComplianceTarget | None) -> ImageDefinition:
    return ImageDefinition(
        name=make.BASE,
        team=make.TEAM,
        owners=("a@example.com",),
        origin=make.SOURCE,
        os=OsTraits(),
        build=BuildRecipe(vm_size="Standard_D2s_v5", timeout=timedelta(hours=1)),
        verify=Verification(compliance=target),
        publish=Publication(regions=(TargetRegion(name=WEST), TargetRegion(name=NORTH))),
        rebuild=RebuildRules(),
        retention=Retention(),
        bundle=make.digest("3"),
    )


def _waivers(count: int) -> tuple[Waiver, ...]:
    return tuple(Waiver(rule=f"r{number}", reason="x", owner=OWNER, expires=TODAY) for number in range(count))


RUN: dict[str, Any] = {"vm_size": "Standard_D2s_v5", "timeout": timedelta(hours=1), "replicas": (1, 1)}


def test_a_definition_without_a_scan_promises_its_regions_alone() -> None:
    promises = Promises(regions=(WEST, NORTH), **RUN)
    assert floors.promises_of(_definition(None)) == promises
    assert floors.kept_promises(_definition(None)) == promises


@pytest.mark.parametrize(("count", "is_kept"), [(0, True), (20, True), (21, False)])
def test_a_registration_keeps_the_promises_unless_there_are_very_many_waivers(
    count: int, is_kept: bool
) -> None:
    definition = _definition(ComplianceTarget(profile="cis", min_score=7, waivers=_waivers(count)))
    promises = floors.promises_of(definition)
    assert promises == Promises(
        profile="cis",
        min_score=7,
        waivers=((OWNER, TODAY),) * count,
        regions=(WEST, NORTH),
        asked=count,
        **RUN,
    )
    assert floors.kept_promises(definition) == (promises if is_kept else None)


SCANNED = Verdict(gate="compliance", passed=True, evidence="", score=91.0, profile="cis")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((), None),
        ((replace(SCANNED, gate="boot"),), None),
        ((replace(SCANNED, score=None),), None),
        ((replace(SCANNED, profile=""),), None),
        ((replace(SCANNED, gate="ratchet"), SCANNED), LiveScan(profile="cis", score=91.0)),
    ],
)
def test_the_scan_of_a_version_is_what_its_compliance_verdict_tells(
    verdicts: tuple[Verdict, ...], expected: LiveScan | None
) -> None:
    assert floors.scan_of(verdicts) == expected


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (None, "without a limit"),
        (timedelta(days=30), "30d"),
        (timedelta(hours=36), "36h"),
        (timedelta(minutes=90), "90m"),
        (timedelta(seconds=61), "61s"),
    ],
)
def test_a_length_is_written_as_in_a_document(length: timedelta | None, text: str) -> None:
    assert floors.span(length) == text


SOON = datetime(2026, 12, 1, tzinfo=UTC)
ONE = Breach(path="a", message="is wrong", remedy="repair it")


@pytest.mark.parametrize(
    ("start", "reason", "since", "message"),
    [
        (None, "FloorEnforced", None, "a: is wrong"),
        (SOON, "FloorAnnounced", None, "from 2026-12-01: a: is wrong"),
        (make.NOW, "FloorEnforced", make.NOW, "since 2026-11-21: a: is wrong"),
    ],
)
def test_what_is_below_the_floor_is_reported_with_the_date(
    start: datetime | None, reason: str, since: datetime | None, message: str
) -> None:
    found = conditions.below_floor([ONE], Policy(revision=1, enforced_from=start), make.NOW)
    assert found is not None
    assert found.type is ConditionType.BELOW_FLOOR
    assert (found.reason, found.since, found.message) == (reason, since, message)


def test_nothing_below_the_floor_is_not_a_condition() -> None:
    assert conditions.below_floor([], Policy(revision=1), make.NOW) is None


def test_a_message_names_five_breaches_and_counts_the_others() -> None:
    found = conditions.below_floor([ONE] * 7, Policy(revision=1), make.NOW)
    assert found is not None
    assert found.message == "; ".join(["a: is wrong"] * 5) + "; and 2 more"
