"""What the gates decided stays in the build's row, whichever way; a child is held to the exact version it stands on."""

from dataclasses import replace

import pytest

from pipeline_core.domain import gates
from pipeline_core.domain.builds import Build, JudgedReport, ParentFacts, Phase, Result
from pipeline_core.domain.compliance import Severity
from pipeline_core.domain.errors import ErrorClass, Owner
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import Digest
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore
from pipeline_core.wire.report import BuildReport, ReportedCheck, ReportedRule, ReportedScan
from simulation.world import SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services import policy_documents as policies
from tests.unit.services.scenes import BASE, JAVA

TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}


def _gates(build: Build) -> dict[str, Verdict]:
    return {verdict.gate: verdict for verdict in build.verdicts}


def _judged(made: SimulatedWorld, build: Build, score: float) -> dict[str, Verdict]:
    """What the gates would say today of this build with another score."""
    now = made.ports.clock.now()
    checks = tuple(
        ReportedCheck.model_validate({"name": name, "passed": True}) for name in ("boot", "hygiene")
    )
    report = BuildReport(
        build=str(build.id),
        stage="verify",
        attempt=1,
        succeeded=True,
        packer="p",
        started_at=now,
        ended_at=now,
        checks=checks,
        scan=ReportedScan(
            profile="cis_server_l1",
            score=score,
            counts={"passed": 9, "failed": 1},
            findings=(ReportedRule(rule="a", result="fail", severity=Severity.HIGH),),
        ),
    )
    _, verdicts = made.parts.builds.judge.judge(build, report)
    assert verdicts is not None
    return {verdict.gate: verdict for verdict in verdicts}


def test_the_verdicts_of_what_was_published_stay_in_its_row() -> None:
    made = scenes.settled(TWO)
    (base,), (java,) = scenes.builds(made, BASE), scenes.builds(made, JAVA)
    assert list(_gates(base)) == ["boot", "hygiene", "compliance"]
    assert list(_gates(java)) == ["boot", "hygiene", "compliance", "ratchet"]
    assert all(verdict.passed and verdict.simulated for verdict in (*base.verdicts, *java.verdicts))
    assert _gates(java)["compliance"].score == 95
    assert f"95 against 95 of the parent rhel9-base@{base.version}" in _gates(java)["ratchet"].evidence


@pytest.mark.parametrize("gate", ["compliance", "hygiene", "boot"])
def test_the_verdicts_of_what_was_refused_stay_in_its_row_too(gate: str) -> None:
    made = scenes.registered({"rhel9-base": None}, failing={("rhel9-base", "verify"): gate})
    made.drain()
    (refused,) = scenes.builds(made, BASE)
    assert refused.result is Result.FAILED
    assert {name for name, verdict in _gates(refused).items() if not verdict.passed} == {gate}
    assert refused.provenance is None


def test_a_child_that_scores_below_its_parent_is_not_published() -> None:
    made = scenes.registered(TWO)
    made.platform.scores = {"rhel9-java": 94}
    made.drain()
    (java,) = scenes.builds(made, JAVA)
    assert java.result is Result.FAILED
    assert java.failure is not None
    assert java.failure.error_class is ErrorClass.COMPLIANCE
    assert java.failure.message.startswith("ratchet: 94 against 95 of the parent rhel9-base@")
    assert _gates(java)["compliance"].passed
    assert scenes.head(made, JAVA).current is None


def test_secops_tolerance_lets_a_child_score_a_little_less() -> None:
    made = scenes.registered(TWO)
    policies.put(made, compliance={"ratchet": 1})
    made.platform.scores = {"rhel9-java": 94}
    made.drain()
    (java,) = scenes.builds(made, JAVA)
    assert java.result is Result.SUCCEEDED


def test_a_child_is_held_to_the_version_it_stands_on_though_the_parent_has_moved_on() -> None:
    made = scenes.settled(TWO)
    (java,) = scenes.builds(made, JAVA)
    made.platform.scores = {"rhel9-base": 97, "rhel9-java": 97}
    scenes.released(made)
    made.drain()
    new = scenes.builds(made, JAVA)[1]
    assert _judged(made, java, 96)["ratchet"].passed
    assert not _judged(made, java, 94)["ratchet"].passed
    assert not _judged(made, new, 96)["ratchet"].passed


def _of_older_release(build: Build) -> Build:
    """The same build from before its row had its parent's facts."""
    return replace(build, parent=None)


def _without_row(made: SimulatedWorld, build: Build) -> None:
    row = Row(partition=str(BASE), key=f"build:{build.id}", cells={}, etag=scenes.stored(made, build.id).etag)
    made.ports.tables.write(records.TABLE, [TableWrite(verb=WriteKind.DELETE, row=row)])


def _without_report(made: SimulatedWorld, build: Build) -> None:
    losses.lose_blob(made, "builds", f"{build.id}/verify-1/result.json")


def test_the_parents_score_comes_from_its_report_where_its_row_is_lost() -> None:
    made = scenes.settled(TWO)
    (base,), (java,) = scenes.builds(made, BASE), scenes.builds(made, JAVA)
    _without_row(made, base)
    assert not _judged(made, _of_older_release(java), 94)["ratchet"].passed
    assert "1 against 95" in _judged(made, java, 1)["ratchet"].evidence
    assert not _judged(made, java, 94)["ratchet"].passed
    assert _judged(made, java, 95)["ratchet"].passed


def test_the_parents_score_comes_from_its_row_where_its_report_is_lost() -> None:
    made = scenes.settled(TWO)
    (base,), (java,) = scenes.builds(made, BASE), scenes.builds(made, JAVA)
    _without_report(made, base)
    assert not _judged(made, java, 94)["ratchet"].passed
    assert _judged(made, java, 95)["ratchet"].passed


def test_a_version_whose_parents_score_is_lost_waits_and_nobody_has_failed() -> None:
    made = scenes.settled(TWO)
    (base,), (java,) = scenes.builds(made, BASE), scenes.builds(made, JAVA)
    _without_row(made, base)
    _without_report(made, base)
    held = _judged(made, java, 99)["ratchet"]
    assert (held.passed, held.held) == (False, True)
    assert f"build {base.id} has no report of its verify stage" in held.evidence
    failure = gates.failure_of([held])
    assert failure is not None
    assert (failure.who, failure.stays) == (Owner.PLATFORM, False)


def test_a_report_that_is_not_the_judged_one_holds_back() -> None:
    made = scenes.settled(TWO)
    (base,), (java,) = scenes.builds(made, BASE), scenes.builds(made, JAVA)
    other = replace(base, verify_result=Digest("0" * 64))
    made.ports.tables.write(records.TABLE, [records.put_build(other, etag=scenes.stored(made, base.id).etag)])
    text = "is not the report that was judged"
    assert text in _judged(made, _of_older_release(java), 99)["ratchet"].evidence
    assert java.parent is not None
    known = replace(
        java, parent=replace(java.parent, report=JudgedReport(attempt=1, digest=Digest("0" * 64)))
    )
    assert text in _judged(made, known, 99)["ratchet"].evidence


def test_a_child_that_knows_its_parents_version_reads_no_row_of_the_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = scenes.settled(TWO)
    (base,), (java,) = scenes.builds(made, BASE), scenes.builds(made, JAVA)
    assert java.parent == ParentFacts(gallery=base.gallery, build=base.id, report=base.judged)
    assert base.parent is None
    before = made.ports.tables.operations
    _judged(made, _of_older_release(java), 99)
    older = made.ports.tables.operations - before
    monkeypatch.setattr(ImageStore, "find_head", None)
    monkeypatch.setattr(ImageStore, "find_build", None)
    before = made.ports.tables.operations
    assert not _judged(made, java, 94)["ratchet"].passed
    assert made.ports.tables.operations - before == older - 2


@pytest.mark.parametrize("score", [94, 95])
def test_a_build_of_an_older_release_is_held_to_its_parent_too(score: int) -> None:
    made = scenes.settled(TWO)
    (java,) = scenes.builds(made, JAVA)
    assert java.parent is not None
    half = replace(
        java, parent=replace(java.parent, report=None)
    )  # its parent was published by an older release
    for build in (_of_older_release(java), half):
        assert _judged(made, build, score)["ratchet"].passed == (score >= 95)


def test_a_parent_that_was_not_scanned_has_nothing_to_compare() -> None:
    made = scenes.settled(TWO)
    (base,), (java,) = scenes.builds(made, BASE), scenes.builds(made, JAVA)
    _without_report(made, base)
    unscanned = replace(base, verdicts=base.verdicts[:2])
    made.ports.tables.write(
        records.TABLE, [records.put_build(unscanned, etag=scenes.stored(made, base.id).etag)]
    )
    found = _judged(made, java, 1)["ratchet"]
    assert found.passed
    assert "it was not scanned" in found.evidence


def test_a_version_that_nothing_names_holds_back() -> None:
    made = scenes.settled(TWO)
    (java,) = scenes.builds(made, JAVA)
    origin = java.inputs.origin
    assert isinstance(origin, ParentVersion)
    elsewhere = replace(origin, version=GalleryVersion(9, 20200101, 1))
    other = replace(_of_older_release(java), inputs=replace(java.inputs, origin=elsewhere))
    assert "nothing names the build that made it" in _judged(made, other, 99)["ratchet"].evidence


def test_a_parents_version_is_found_by_key_however_many_builds_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The parent has moved on. No list of its builds is read."""
    made = scenes.settled(TWO)
    (java,) = scenes.builds(made, JAVA)
    scenes.released(made)
    made.drain()
    monkeypatch.setattr(ImageStore, "list_builds", None)
    assert not _judged(made, java, 94)["ratchet"].passed
    assert _judged(made, java, 95)["ratchet"].passed


def test_after_lost_tables_a_child_that_scores_less_is_still_refused() -> None:
    made = scenes.settled(TWO)
    losses.lose_tables(made)
    losses.recover(made)
    made.platform.scores = {"rhel9-java": 91}
    made.register("rhel9-java", "rhel9-base", text="edited")
    made.drain()
    failed = scenes.builds(made, JAVA)[-1]
    assert failed.result is Result.FAILED
    assert failed.failure is not None
    assert failed.failure.message.startswith("ratchet: 91 against 95 of the parent rhel9-base@")


def test_a_profile_that_secops_requires_meanwhile_is_scanned_before_anything_is_judged() -> None:
    made = scenes.registered({"rhel9-base": None})
    build = scenes.in_phase(made, BASE, Phase.VERIFYING)
    scenes.step(made, scenes.stored(made, build.id).value)
    policies.put(made, compliance={"profile": "stig", "minScore": 80})
    made.drain()
    (ended,) = scenes.builds(made, BASE)
    assert (ended.result, ended.attempt) == (Result.SUCCEEDED, 1)
    retried = [
        entry.detail
        for entry in scenes.images(made).list_journal(BASE, limit=100)
        if entry.event is Event.RETRIED
    ]
    assert retried == [
        "SecOps changed the required profile while the machine was verified; it is verified again"
    ]
    assert _gates(ended)["compliance"].evidence.startswith("stig scored 95 of at least 90")
