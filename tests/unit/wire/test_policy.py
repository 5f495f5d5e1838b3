"""The policy document: strict keys, every error at once with place and remedy, bounds, and its digest's bytes."""

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline_core.domain.compliance import Severity
from pipeline_core.domain.errors import MalformedMessage
from pipeline_core.domain.names import ImageName, Region, TeamName
from pipeline_core.domain.policy import ComplianceFloor, Policy, WaiverRules
from pipeline_core.domain.team_limits import PerTeamLimits, PolicyLimits
from pipeline_core.wire.document.text import read_yaml
from pipeline_core.wire.policy import parse_policy, parse_stored_policy, policy_blob, read_policy_blob
from pipeline_core.wire.problems import InvalidDocument

OID = "0d0f5a3c-1111-4222-8333-44445555aaaa"
FULL = b"""
apiVersion: imagefactory/v1
kind: Policy
metadata: {description: The floor of 2027.}
spec:
  compliance:
    {profile: cis_server_l1, minScore: 80, alwaysFail: [high, medium], ratchet: 0.5, minShare: 97.5,
     mustPass: [xccdf_org.ssgproject.content_rule_no_empty_passwords]}
  bases:
    rhel9-vault: {profile: stig, minScore: 90}
    rhel9-lab: {alwaysFail: [], ratchet: 5, minShare: 0, mustPass: []}
  waivers: {grantors: [0D0F5A3C-1111-4222-8333-44445555aaaa, 'role:Waivers.Grant'], longest: 90d}
  sources: [{publisher: RedHat, offer: RHEL, sku: 9-lvm-gen2}]
  regions: [westeurope, northeurope]
  catalog: [falcon-sensor]
  maxAge: 30d
  maxOsDiskSizeGb: 256
  limits:
    images: 50
    machineSizes: [Standard_D2s_v5, Standard_B2s]
    timeout: 90m
    replicas: 3
    regions: 2
    requestsPerDay: 40
    bundlesPerDay: 30
    builds: 6
    cores: 24
    buildsPerDay: 60
    changesPerMinute: 20
    teams:
      data-lake: {images: 0, machineSizes: [], timeout: 8h}
      payments: {replicas: 5, regions: 4, requestsPerDay: 0, bundlesPerDay: 9, builds: 2, cores: 8, buildsPerDay: 0}
  enforcedFrom: 2027-01-31
"""
LIMITS = PerTeamLimits(
    images=50,
    machine_sizes=frozenset({"standard_d2s_v5", "standard_b2s"}),
    timeout=timedelta(minutes=90),
    replicas=3,
    regions=2,
    requests_per_day=40,
    bundles_per_day=30,
    builds=6,
    cores=24,
    builds_per_day=60,
)
EMPTY: dict[str, object] = {"apiVersion": "imagefactory/v1", "kind": "Policy", "spec": {}}


def _full() -> dict[str, Any]:
    return copy.deepcopy(dict(read_yaml(FULL)))


def _problems(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as refused:
        parse_policy(document, revision=1)
    assert all(problem.remedy for problem in refused.value.problems)
    return {problem.path: problem.message for problem in refused.value.problems}


def test_every_key_reaches_the_domain_and_a_base_takes_what_it_leaves_out_from_the_floor_for_all() -> None:
    common: dict[str, Any] = {
        "always_fail": frozenset({Severity.HIGH, Severity.MEDIUM}),
        "ratchet": 0.5,
        "min_share": 97.5,
        "must_pass": frozenset({"no_empty_passwords"}),
    }
    assert parse_policy(_full(), revision=7) == Policy(
        revision=7,
        compliance=ComplianceFloor(profile="cis_server_l1", min_score=80, **common),
        bases={
            ImageName("rhel9-vault"): ComplianceFloor(profile="stig", min_score=90, **common),
            ImageName("rhel9-lab"): ComplianceFloor(profile="cis_server_l1", min_score=80, ratchet=5),
        },
        waivers=WaiverRules(grantors=frozenset({OID, "role:waivers.grant"}), longest=timedelta(days=90)),
        sources=frozenset({"redhat:rhel:9-lvm-gen2"}),
        regions=frozenset({Region("westeurope"), Region("northeurope")}),
        catalog=frozenset({"falcon-sensor"}),
        longest_max_age=timedelta(days=30),
        largest_os_disk=256,
        limits=PolicyLimits(
            general=LIMITS,
            teams={
                TeamName("data-lake"): replace(
                    LIMITS, images=0, machine_sizes=frozenset(), timeout=timedelta(hours=8)
                ),
                TeamName("payments"): replace(
                    LIMITS,
                    replicas=5,
                    regions=4,
                    requests_per_day=0,
                    bundles_per_day=9,
                    builds=2,
                    cores=8,
                    builds_per_day=0,
                ),
            },
            changes_per_minute=20,
        ),
        enforced_from=datetime(2027, 1, 31, tzinfo=UTC),
    )


def test_an_empty_spec_demands_nothing() -> None:
    assert parse_policy(EMPTY, revision=0) == Policy(revision=0)


BAD: dict[str, tuple[tuple[str, ...], object, str, str]] = {
    "another kind": (("kind",), "ImageDefinition", "kind", "is the text"),
    "an unknown key": (("spec", "freshness"), "7d", "spec.freshness", "is not a key of spec"),
    "a misspelt key": (("spec", "compliance", "minscore"), 1, "spec.compliance.minscore", "is not a key"),
    "a score over 100": (("spec", "compliance", "minScore"), 101, "spec.compliance.minScore", "is 101"),
    "a score as text": (
        ("spec", "compliance", "minScore"),
        "80",
        "spec.compliance.minScore",
        "where a whole",
    ),
    "a share over 100": (("spec", "compliance", "minShare"), 100.5, "spec.compliance.minShare", "is 100.5"),
    "a rule with a wildcard": (
        ("spec", "compliance", "mustPass"),
        ["no_*"],
        "spec.compliance.mustPass[0]",
        "'no_*'",
    ),
    "a negative ratchet": (("spec", "compliance", "ratchet"), -1, "spec.compliance.ratchet", "is -1"),
    "a ratchet as text": (
        ("spec", "compliance", "ratchet"),
        "1",
        "spec.compliance.ratchet",
        "where a number",
    ),
    "a severity": (
        ("spec", "compliance", "alwaysFail"),
        ["severe"],
        "spec.compliance.alwaysFail[0]",
        "severe",
    ),
    "a severity twice": (
        ("spec", "compliance", "alwaysFail"),
        ["high", "high"],
        "spec.compliance.alwaysFail[1]",
        "has 'high' again",
    ),
    "a severity of a base twice": (
        ("spec", "bases", "rhel9-lab", "alwaysFail"),
        ["low", "low"],
        "spec.bases['rhel9-lab'].alwaysFail[1]",
        "again",
    ),
    "a base's name": (("spec", "bases", "RHEL"), {}, "spec.bases.RHEL", "the key"),
    "a floor that is none": (
        ("spec", "bases", "rhel9-lab"),
        80,
        "spec.bases['rhel9-lab']",
        "mapping belongs",
    ),
    "a grantor": (
        ("spec", "waivers", "grantors"),
        ["me"],
        "spec.waivers.grantors[0]",
        "neither an object id nor an app role",
    ),
    "a grantor by address": (
        ("spec", "waivers", "grantors"),
        ["role:x", "a@example.com"],
        "spec.waivers.grantors[1]",
        "which no token proves",
    ),
    "a grantor twice": (
        ("spec", "waivers", "grantors"),
        ["role:a", "role:A"],
        "spec.waivers.grantors[1]",
        "again",
    ),
    "too long a waiver": (("spec", "waivers", "longest"), "366d", "spec.waivers.longest", "out of bounds"),
    "half a source": (
        ("spec", "sources"),
        [{"publisher": "RedHat", "offer": "RHEL"}],
        "spec.sources[0].sku",
        "is missing",
    ),
    "a source twice": (
        ("spec", "sources"),
        [{"publisher": name, "offer": "RHEL", "sku": "9"} for name in ("RedHat", "redhat")],
        "spec.sources[1]",
        "has 'redhat:rhel:9' again",
    ),
    "a source that is a text": (("spec", "sources"), ["RedHat:RHEL:9"], "spec.sources[0]", "mapping belongs"),
    "a region": (("spec", "regions"), ["West Europe"], "spec.regions[0]", "not allowed here"),
    "a region twice": (("spec", "regions"), ["eastus", "eastus"], "spec.regions[1]", "again"),
    "a region that is a number": (("spec", "regions"), [1], "spec.regions[0]", "text belongs"),
    "regions that are no list": (("spec", "regions"), "eastus", "spec.regions", "list belongs"),
    "a tool": (("spec", "catalog"), ["Falcon@1"], "spec.catalog[0]", "not allowed here"),
    "a tool twice": (("spec", "catalog"), ["falcon", "falcon"], "spec.catalog[1]", "again"),
    "a disk": (("spec", "maxOsDiskSizeGb"), 4096, "spec.maxOsDiskSizeGb", "4096"),
    "more images than a factory has": (
        ("spec", "limits", "images"),
        10_001,
        "spec.limits.images",
        "10001",
    ),
    "no changes at all": (
        ("spec", "limits", "changesPerMinute"),
        0,
        "spec.limits.changesPerMinute",
        "is 0",
    ),
    "changes of one team": (
        ("spec", "limits", "teams", "payments", "changesPerMinute"),
        5,
        "spec.limits.teams.payments.changesPerMinute",
        "is not a key",
    ),
    "fewer than no requests": (
        ("spec", "limits", "requestsPerDay"),
        -1,
        "spec.limits.requestsPerDay",
        "is -1",
    ),
    "no core": (("spec", "limits", "cores"), 0, "spec.limits.cores", "is 0"),
    "fewer than no builds a day": (
        ("spec", "limits", "buildsPerDay"),
        -1,
        "spec.limits.buildsPerDay",
        "is -1",
    ),
    "no replica": (("spec", "limits", "replicas"), 0, "spec.limits.replicas", "is 0"),
    "too many regions": (("spec", "limits", "regions"), 51, "spec.limits.regions", "is 51"),
    "a limit as text": (("spec", "limits", "regions"), "2", "spec.limits.regions", "where a whole"),
    "a timeout that no definition may have": (
        ("spec", "limits", "timeout"),
        "9h",
        "spec.limits.timeout",
        "is out of bounds",
    ),
    "a machine size": (
        ("spec", "limits", "machineSizes"),
        ["D2s"],
        "spec.limits.machineSizes[0]",
        "is not allowed here",
    ),
    "a machine size twice": (
        ("spec", "limits", "machineSizes"),
        ["Standard_B2s", "standard_b2S"],
        "spec.limits.machineSizes[1]",
        "again",
    ),
    "a machine size of a team twice": (
        ("spec", "limits", "teams", "payments", "machineSizes"),
        ["Standard_B2s", "Standard_B2s"],
        "spec.limits.teams.payments.machineSizes[1]",
        "again",
    ),
    "an unknown limit": (("spec", "limits", "disks"), 1, "spec.limits.disks", "is not a key of spec.limits"),
    "a team within a team": (
        ("spec", "limits", "teams", "payments", "teams"),
        {},
        "spec.limits.teams.payments.teams",
        "is not a key",
    ),
    "a team's name": (
        ("spec", "limits", "teams", "Pay ments"),
        {},
        "spec.limits.teams['Pay ments']",
        "the key",
    ),
    "an age": (("spec", "maxAge"), "soon", "spec.maxAge", "is not a duration"),
    "a day": (("spec", "enforcedFrom"), "2027-02-30", "spec.enforcedFrom", "not a day of the calendar"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_reported_with_its_place(case: str) -> None:
    (*place, key), value, path, message = BAD[case][0], *BAD[case][1:]
    document = _full()
    here: Any = document
    for step in place:
        here = here[step]
    here[key] = value
    problems = _problems(document)
    assert list(problems) == [path]
    assert message in problems[path]


def test_every_error_is_reported_at_once() -> None:
    document = _full()
    document["spec"].update(regions=["x y", "x y"], maxAge="1s", more=1)
    document["kind"] = "policy"
    assert {"kind", "spec.regions[0]", "spec.regions[1]", "spec.maxAge", "spec.more"} <= set(
        _problems(document)
    )


def test_a_policy_has_a_hundred_bases_and_64_kib_at_most() -> None:
    document = _full()
    document["spec"]["bases"] = {f"base-{number}": {"minScore": 1} for number in range(100)}
    assert len(parse_policy(document, revision=1).bases) == 100
    document["spec"]["bases"]["one-more"] = {}
    assert _problems(document) == {"spec.bases": "has more than 100 entries"}
    long = _full()
    long["metadata"]["description"] = "x" * 70_000
    assert set(_problems(long)) == {"metadata.description", "document"}


def test_a_policy_has_limits_of_two_hundred_teams_at_most() -> None:
    document = _full()
    document["spec"]["limits"]["teams"] = {f"team-{number}": {"regions": 1} for number in range(200)}
    assert len(parse_policy(document, revision=1).limits.teams) == 200
    document["spec"]["limits"]["teams"]["one-more"] = {}
    assert _problems(document) == {"spec.limits.teams": "has more than 200 entries"}


@pytest.mark.parametrize("value", [{1, 2}, float("inf"), float("nan")])
def test_a_document_that_no_json_can_hold_is_refused(value: object) -> None:
    problems = _problems({**_full(), "spec": {"compliance": {"ratchet": value}}})
    assert problems["document"] == "holds values that JSON cannot hold"
    assert "spec.compliance.ratchet" in problems


def test_the_blob_of_a_document_does_not_depend_on_the_order_of_its_keys() -> None:
    document = _full()
    turned = dict(reversed(document.items()))
    assert list(turned) != list(document)
    assert policy_blob(turned) == policy_blob(document)
    assert read_policy_blob(policy_blob(document)) == document


@pytest.mark.parametrize("content", [b"[]", b"{", b"\xff", b"1"])
def test_a_blob_that_nobody_of_ours_wrote_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_policy_blob(content)


@pytest.mark.parametrize("demand", [{"minShare": 90}, {"mustPass": ["no_empty_passwords"]}])
def test_a_demand_on_the_rules_of_a_scan_needs_a_profile(demand: dict[str, object]) -> None:
    """Else an image whose team asks for no scan would pass, and nothing would say so."""
    spec = {"compliance": demand, "bases": {"rhel9-lab": {}, "rhel9-base": {"profile": "cis_server_l1"}}}
    with pytest.raises(InvalidDocument) as refused:
        parse_policy({**EMPTY, "spec": spec}, revision=1)
    assert [each.path for each in refused.value.problems] == ["spec.compliance", "spec.bases['rhel9-lab']"]
    # A document that is in force goes on: it would hold back every image.
    assert parse_stored_policy({**EMPTY, "spec": spec}, revision=1).compliance.profile is None
