"""What was tested becomes verdicts; whatever was not reported keeps a version out of live."""

from dataclasses import replace
from datetime import date

import pytest

from pipeline_core.domain import gates
from pipeline_core.domain.compliance import RuleCounts, Scan, WantedScan
from pipeline_core.domain.definitions import ComplianceTarget, ServedPort, Verification, WaiverKind
from pipeline_core.domain.errors import ErrorClass, Owner
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.verdicts import EVIDENCE_LIMIT, Check, HygieneFinding, Verdict
from pipeline_core.domain.waivers import JudgedWaiver
from tests.unit.domain import scans

TODAY = date(2026, 11, 21)
OPEN = ComplianceFloor()
TARGET = Verification(
    goss="goss.yaml", smoke=("s.sh",), compliance=ComplianceTarget(profile="cis", min_score=90)
)
PASSED = {name: Check(name=name, passed=True) for name in ("boot", "hygiene", "goss", "smoke")}
SCAN = Scan(profile="cis", score=95.0, counts=RuleCounts(passed=20))


def test_all_gates_pass_and_say_so() -> None:
    verdicts = gates.judge(TARGET, PASSED.values(), SCAN, waivers=(), floor=OPEN, parent=None)
    assert [verdict.gate for verdict in verdicts] == ["boot", "hygiene", "goss", "smoke", "compliance"]
    assert all(verdict.passed for verdict in verdicts)
    assert gates.failure_of(verdicts) is None


@pytest.mark.parametrize("missing", list(PASSED))
def test_a_check_that_was_not_reported_never_counts_as_passed(missing: str) -> None:
    reported = [check for name, check in PASSED.items() if name != missing]
    verdicts = gates.judge(TARGET, reported, SCAN, waivers=(), floor=OPEN, parent=None)
    failure = gates.failure_of(verdicts)
    assert failure is not None
    assert missing in failure.message


def test_a_scan_that_was_not_reported_never_counts_as_passed() -> None:
    verdicts = gates.judge(TARGET, PASSED.values(), None, waivers=(), floor=OPEN, parent=None)
    failure = gates.failure_of(verdicts)
    assert failure is not None
    assert failure.error_class is ErrorClass.COMPLIANCE
    assert "no scan by cis" in failure.message


@pytest.mark.parametrize(
    ("name", "error_class"),
    [
        ("goss", ErrorClass.SMOKE),
        ("smoke", ErrorClass.SMOKE),
        ("hygiene", ErrorClass.HYGIENE),
        ("boot", ErrorClass.SMOKE),
    ],
)
def test_one_refusing_gate_keeps_a_version_out(name: str, error_class: ErrorClass) -> None:
    checks = PASSED | {name: replace(PASSED[name], passed=False, detail="port 80")}
    failure = gates.failure_of(
        gates.judge(TARGET, checks.values(), SCAN, waivers=(), floor=OPEN, parent=None)
    )
    assert failure is not None
    assert failure.error_class is error_class
    assert failure.message == f"{name}: port 80"


def test_every_refusing_gate_is_named() -> None:
    failure = gates.failure_of(gates.judge(TARGET, [], None, waivers=(), floor=OPEN, parent=None))
    assert failure is not None
    for name in (*PASSED, "compliance"):
        assert f"{name}: " in failure.message


def test_the_text_of_a_failure_is_bounded() -> None:
    refused = [Verdict(gate="compliance", passed=False, evidence="x" * EVIDENCE_LIMIT)] * 8
    failure = gates.failure_of(refused)
    assert failure is not None
    assert len(failure.message) == 4000


def test_the_detail_of_a_check_is_bounded() -> None:
    checks = [Check(name="boot", passed=True, detail="x" * 5000), PASSED["hygiene"]]
    boot, _ = gates.judge(Verification(), checks, None, waivers=(), floor=OPEN, parent=None)
    assert len(boot.evidence) == EVIDENCE_LIMIT


def test_a_simulated_check_is_a_simulated_verdict() -> None:
    checks = [replace(PASSED["boot"], simulated=True), PASSED["hygiene"]]
    found = gates.judge(Verification(), checks, None, waivers=(), floor=OPEN, parent=None)
    assert [verdict.simulated for verdict in found] == [True, False]


def test_boot_and_hygiene_cannot_be_declined() -> None:
    assert gates.required_checks(Verification()) == ("boot", "hygiene")


API = (ServedPort(port=8443),)
GOOD, BAD = Check(name="ports", passed=True), Check(name="ports", passed=False, detail="8443/tcp is closed")
PORTS: dict[str, tuple[tuple[ServedPort, ...], tuple[Check, ...], list[bool], str]] = {
    "served, and the builder saw it": (API, (GOOD,), [True], ""),
    "served, and the builder saw that it is not": (API, (BAD,), [False], "ports: 8443/tcp is closed"),
    "served, and the builder looked at no port": (API, (), [False], "ports: the builder did not report this check"),
    "nothing is served, and nothing answers": ((), (GOOD,), [True], ""),
    "nothing is served, and something answers": ((), (BAD,), [False], "ports: 8443/tcp is closed"),
    "nothing is served, by a builder of an older release": ((), (), [], ""),
}  # fmt: skip


@pytest.mark.parametrize("case", PORTS)
def test_ports_are_judged_where_they_are_served_or_looked_at(case: str) -> None:
    serves, reported, passed, message = PORTS[case]
    checks = [PASSED["boot"], PASSED["hygiene"], *reported]
    verdicts = gates.judge(Verification(), checks, None, waivers=(), floor=OPEN, parent=None, serves=serves)
    assert [each.passed for each in verdicts if each.gate == "ports"] == passed
    failure = gates.failure_of(verdicts)
    assert (failure.message if failure else "") == message
    assert failure is None or failure.error_class is ErrorClass.SMOKE


CIS = ComplianceTarget(profile="cis", min_score=90)
WANTED = {
    "nobody asks for one": (None, OPEN, None),
    "a score alone asks for none": (None, ComplianceFloor(min_score=80), None),
    "the team asks": (CIS, OPEN, WantedScan(profile="cis", min_score=90)),
    "the floor's score is higher": (
        CIS,
        ComplianceFloor(min_score=95),
        WantedScan(profile="cis", min_score=95),
    ),
    "the team's score is higher": (
        CIS,
        ComplianceFloor(min_score=50),
        WantedScan(profile="cis", min_score=90),
    ),
    "the floor asks": (
        None,
        ComplianceFloor(profile="stig", min_score=70),
        WantedScan(profile="stig", min_score=70),
    ),
    "the floor asks for another": (
        CIS,
        ComplianceFloor(profile="stig", min_score=70),
        WantedScan(profile="stig", min_score=90),
    ),
    "a team's own profile may be tailored": (
        replace(CIS, tailoring="t.xml"),
        OPEN,
        WantedScan(profile="cis", min_score=90, tailoring="t.xml"),
    ),
    "the floor's may not": (
        replace(CIS, tailoring="t.xml"),
        ComplianceFloor(profile="cis"),
        WantedScan(profile="cis", min_score=90),
    ),
}


@pytest.mark.parametrize(("target", "floor", "wanted"), WANTED.values(), ids=WANTED.keys())
def test_the_stricter_of_floor_and_definition_decides_what_is_scanned(
    target: ComplianceTarget | None, floor: ComplianceFloor, wanted: WantedScan | None
) -> None:
    assert gates.wanted_scan(Verification(compliance=target), floor) == wanted


OUTDATED = {
    "nobody asks for a scan": (None, OPEN, None, False),
    "it is the one that is asked for": (CIS, OPEN, SCAN, False),
    "it was asked for and not made": (CIS, OPEN, None, False),
    "the floor asks for one, and it was made": (None, ComplianceFloor(profile="cis"), SCAN, False),
    "the floor asks for one since": (None, ComplianceFloor(profile="cis"), None, True),
    "the floor asks for another since": (CIS, ComplianceFloor(profile="stig"), SCAN, True),
    "the floor asks for none any more": (None, OPEN, SCAN, False),
    "only its score was raised": (CIS, ComplianceFloor(profile="cis", min_score=99), SCAN, False),
}


@pytest.mark.parametrize(("target", "floor", "scan", "outdated"), OUTDATED.values(), ids=OUTDATED.keys())
def test_a_scan_that_the_floor_of_another_day_asked_for_is_outdated(
    target: ComplianceTarget | None, floor: ComplianceFloor, scan: Scan | None, outdated: bool
) -> None:
    assert gates.is_outdated(Verification(compliance=target), floor, scan) is outdated


def test_a_profile_that_the_floor_requires_is_judged_though_the_definition_asks_for_none() -> None:
    floor = ComplianceFloor(profile="cis", min_score=96)
    checks = [PASSED["boot"], PASSED["hygiene"]]
    found = gates.judge(Verification(), checks, SCAN, waivers=(), floor=floor, parent=None)
    assert [(verdict.gate, verdict.passed) for verdict in found] == [
        ("boot", True),
        ("hygiene", True),
        ("compliance", False),
    ]


def test_a_gate_that_could_not_judge_is_the_platforms_and_time_can_end_it() -> None:
    held = Verdict(gate="ratchet", passed=False, evidence="the score is lost", held=True)
    failure = gates.failure_of([held])
    assert failure is not None
    assert (failure.error_class, failure.who, failure.stays) == (ErrorClass.COMPLIANCE, Owner.PLATFORM, False)


def test_a_team_that_has_to_act_anyway_is_told_first() -> None:
    held = Verdict(gate="compliance", passed=False, evidence="the score is lost", held=True)
    smoke = Verdict(gate="smoke", passed=False, evidence="2 of 3 passed")
    failure = gates.failure_of([held, smoke])
    assert failure is not None
    assert (failure.error_class, failure.is_of_team) == (ErrorClass.SMOKE, True)
    assert failure.message == "smoke: 2 of 3 passed; compliance: the score is lost"


KEY = HygieneFinding(kind=WaiverKind.HYGIENE, rule="private-key", path="/opt/key.pem", what="a private key")
AUDIT = HygieneFinding(kind=WaiverKind.INVARIANT, rule="Service: auditd: enabled")
DIGEST = "0123456789abcdef" * 4
HASHED = replace(KEY, sha256=DIGEST)
KEY_WAIVER = scans.waiver("private-key", kind=WaiverKind.HYGIENE, path="/opt/key.pem")
HASHED_WAIVER = scans.waiver("private-key", kind=WaiverKind.HYGIENE, path=f"/opt/key.pem@sha256:{DIGEST}")
ENDED_WAIVER = scans.waiver("private-key", kind=WaiverKind.HYGIENE, path="/opt/key.pem", days=-1)
AUDIT_WAIVER = scans.waiver("Service: auditd: enabled", kind=WaiverKind.INVARIANT)
HYGIENE: dict[str, tuple[tuple[HygieneFinding, ...], int, tuple[JudgedWaiver, ...], bool, str]] = {
    "nothing is waived": ((KEY,), 0, (), False, "1 found: /opt/key.pem: a private key [private-key]"),
    "a finding is waived": ((KEY,), 0, (KEY_WAIVER,), True, "waived: /opt/key.pem: a private key"),
    "a test is waived": (
        (AUDIT,),
        0,
        (AUDIT_WAIVER,),
        True,
        "auditd: enabled (granted by Sec Ops (user:0001@t)",
    ),
    "both are waived": ((KEY, AUDIT), 0, (KEY_WAIVER, AUDIT_WAIVER), True, "waived: "),
    "one of two is waived": ((KEY, AUDIT), 0, (KEY_WAIVER,), False, "1 found: Service: auditd: enabled"),
    "another path is waived": ((replace(KEY, path="/opt/other.pem"),), 0, (KEY_WAIVER,), False, "1 found"),
    "a scan's waiver of that name": (
        (AUDIT,),
        0,
        (scans.waiver("Service: auditd: enabled"),),
        False,
        "1 found",
    ),
    "its waiver has ended": (
        (KEY,),
        0,
        (ENDED_WAIVER,),
        False,
        "ask SecOps to run `imagefactory waivers grant payments-api private-key --kind hygiene",
    ),
    "this content is waived": ((HASHED,), 0, (HASHED_WAIVER,), True, "waived: /opt/key.pem: a private key"),
    "another content is waived": (
        (replace(HASHED, sha256="f" * 64),),
        0,
        (HASHED_WAIVER,),
        False,
        "1 found: /opt/key.pem: a private key [private-key]",
    ),
    "a file is named like a waived content": (
        (replace(HASHED, path=f"/opt/key.pem@sha256:{DIGEST}", sha256="f" * 64),),
        0,
        (HASHED_WAIVER,),
        False,
        "1 found",
    ),
    "a content is waived, and the builder gave none": ((KEY,), 0, (HASHED_WAIVER,), False, "1 found"),
    "any content is waived": ((HASHED,), 0, (KEY_WAIVER,), True, "waived: "),
    "any content was waived, and this one is": (
        (HASHED,),
        0,
        (ENDED_WAIVER, HASHED_WAIVER),
        True,
        "waived: ",
    ),
    "one has no name": ((KEY,), 1, (KEY_WAIVER,), False, "1 have no name, so nobody can waive them"),
    "of an older builder": ((), 0, (KEY_WAIVER,), False, "what it says"),
}


@pytest.mark.parametrize("case", HYGIENE)
def test_hygiene_passes_only_if_every_finding_is_waived_by_its_name(case: str) -> None:
    findings, unnamed, waivers, passed, words = HYGIENE[case]
    check = Check(name="hygiene", passed=False, detail="what it says", findings=findings, unnamed=unnamed)
    checks = {**PASSED, "hygiene": check}
    found = gates.judge(TARGET, checks.values(), SCAN, waivers=waivers, floor=OPEN, parent=None)
    (verdict,) = [each for each in found if each.gate == "hygiene"]
    assert verdict.passed is passed
    assert words in verdict.evidence
    assert len(verdict.evidence) <= EVIDENCE_LIMIT
