"""The gates between quarantine and live: what was tested becomes verdicts with evidence.

The stricter of SecOps' floor and the definition decides. A check that was not reported has not passed.
"""

from collections.abc import Iterable, Mapping, Sequence

from pipeline_core.domain import scan_gates
from pipeline_core.domain.builds import Failure
from pipeline_core.domain.compliance import ParentScore, Scan, WantedScan, short_id
from pipeline_core.domain.definitions import ServedPort, Verification, WaiverKind
from pipeline_core.domain.errors import ErrorClass, Owner
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.verdicts import EVIDENCE_LIMIT, Check, HygieneFinding, Verdict
from pipeline_core.domain.waivers import JudgedWaiver, missing

_FAILURE_LIMIT = 4000  # characters; it is kept in the build, its claim and the journal
_NAMED = 5  # findings in a text
_CLASS: Mapping[str, ErrorClass] = {
    "boot": ErrorClass.SMOKE,
    "goss": ErrorClass.SMOKE,
    "smoke": ErrorClass.SMOKE,
    "hygiene": ErrorClass.HYGIENE,
    "ports": ErrorClass.SMOKE,
}


def wanted_scan(verify: Verification, floor: ComplianceFloor) -> WantedScan | None:
    """The scan that must be made and the score to reach, or None where no scan is asked for.

    A profile that SecOps requires is scanned without tailoring: a team's tailoring could switch off its demands.
    """
    target = verify.compliance
    if floor.profile is not None:
        asked = 0 if target is None else target.min_score
        return WantedScan(profile=floor.profile, min_score=max(floor.min_score, asked))
    if target is None:
        return None
    return WantedScan(
        profile=target.profile,
        min_score=max(floor.min_score, target.min_score),
        tailoring=target.tailoring,
    )


def is_outdated(verify: Verification, floor: ComplianceFloor, scan: Scan | None) -> bool:
    """True where the floor changed while the machine was verified: the scan that is wanted now was never asked for.

    A missing scan that the definition itself asks for is not outdated: it was not made.
    """
    wanted = wanted_scan(verify, floor)
    if wanted is None:
        return False
    if scan is None:
        return verify.compliance is None
    return short_id(scan.profile) != short_id(wanted.profile)


def required_checks(verify: Verification, serves: Sequence[ServedPort] = ()) -> tuple[str, ...]:
    """The checks without which nothing is published; boot and hygiene cannot be declined."""
    names = ["boot", "hygiene"]
    if verify.goss is not None:
        names.append("goss")
    if verify.smoke:
        names.append("smoke")
    if serves:
        names.append("ports")
    return tuple(names)


def judge(
    verify: Verification,
    checks: Iterable[Check],
    scan: Scan | None,
    *,
    waivers: Sequence[JudgedWaiver],
    floor: ComplianceFloor,
    parent: ParentScore | None,
    serves: Sequence[ServedPort] = (),
) -> tuple[Verdict, ...]:
    """One verdict per gate that applies: boot, hygiene, goss, smoke, ports, compliance, severities, waivers, ratchet.

    `waivers` are those that the definition asks for, held against their grants. `parent` is None for a root, which is
    compared with no other image. `ports` applies to an image that serves none too, where the builder reported it: a
    builder of an older release does not look at ports, and none looks where platform steps of an older release leave
    the firewall as it was.
    """
    reported = {check.name: check for check in checks}
    names = required_checks(verify, serves)
    names += ("ports",) if "ports" in reported and not serves else ()
    verdicts = [_of_check(name, reported.get(name), waivers) for name in names]
    wanted = wanted_scan(verify, floor)
    if wanted is not None:
        asked = [each for each in waivers if each.asked.kind is WaiverKind.SCAN]
        verdicts += scan_gates.judge(wanted, scan, waivers=asked, floor=floor, parent=parent)
    return tuple(verdicts)


def failure_of(verdicts: Iterable[Verdict]) -> Failure | None:
    """The failure that keeps a version out of live, naming every gate that refused; None if all passed.

    A gate that could not judge, because a record is lost, is the platform's, and its end is that record's. But where
    another gate has refused, the team has to act anyway.
    """
    refused = sorted((each for each in verdicts if not each.passed), key=lambda each: each.held)
    if not refused:
        return None
    text = "; ".join(f"{verdict.gate}: {verdict.evidence or 'failed'}" for verdict in refused)
    is_held = refused[0].held
    return Failure(
        error_class=_CLASS.get(refused[0].gate, ErrorClass.COMPLIANCE),
        message=text[:_FAILURE_LIMIT],
        owner=Owner.PLATFORM if is_held else None,
        permanent=False if is_held else None,
    )


def _of_check(name: str, check: Check | None, waivers: Sequence[JudgedWaiver]) -> Verdict:
    if check is None:
        return Verdict(gate=name, passed=False, evidence="the builder did not report this check")
    if name == "hygiene" and not check.passed and check.findings:
        return _hygiene(check, waivers)
    evidence = check.detail[:EVIDENCE_LIMIT]
    return Verdict(gate=name, passed=check.passed, evidence=evidence, simulated=check.simulated)


def _waiver_of(
    finding: HygieneFinding, known: Mapping[tuple[WaiverKind, str, str], JudgedWaiver]
) -> JudgedWaiver | None:
    """The waiver that names the finding, with any content or with its own. One that counts comes first."""
    named = [known[key] for path in finding.names if (key := (finding.kind, finding.rule, path)) in known]
    return next((each for each in named if each.counts), named[0] if named else None)


def _hygiene(check: Check, waivers: Sequence[JudgedWaiver]) -> Verdict:
    """A finding without a name is never waived, so one of these is enough to refuse."""
    known = {(each.asked.kind, each.rule, each.asked.path): each for each in waivers}
    found = [(each, _waiver_of(each, known)) for each in check.findings]
    left = [each for each, waiver in found if waiver is None or not waiver.counts]
    void = [waiver for _, waiver in found if waiver is not None and not waiver.counts]
    used = [f"{each} ({waiver.told})" for each, waiver in found if waiver is not None and waiver.counts]
    parts = [f"{len(left) + check.unnamed} found: {'; '.join(map(str, left[:_NAMED]))}"] if left else []
    if check.unnamed:
        parts.append(f"{check.unnamed} have no name, so nobody can waive them: {check.detail}")
    parts += [missing(void[:_NAMED])] if void else []
    parts += [f"waived: {', '.join(used)}"] if used else []
    evidence = "; ".join(parts)[:EVIDENCE_LIMIT]
    passed = not left and not check.unnamed
    return Verdict(
        gate="hygiene", passed=passed, evidence=evidence, simulated=check.simulated, waived=tuple(used)
    )
