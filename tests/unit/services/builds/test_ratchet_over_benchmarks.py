"""Two versions of the scanner's content, from the scanner's files to the ratchet's verdict, through everything between.

A benchmark or a list of rules that is lost on the way (by the parser, the report, the parent's lookup) fails here.
"""

from collections.abc import Mapping

import pytest

from builder.results import xccdf
from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.wire.job import BuildJob
from pipeline_core.wire.report import ReportedScan
from simulation import scans
from simulation.world import SimulatedWorld
from tests.unit.builder.results.scan_files import PREFIX, rule, zipped
from tests.unit.builder.results.scan_files import xccdf as results
from tests.unit.services import losses, scenes
from tests.unit.services.scenes import BASE, JAVA

TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
PROFILE = "cis_server_l1"
STATE = {**{f"rule_{number}": "pass" for number in range(19)}, "sudo": "fail"}  # of one machine
OLD, NEW = "RHEL-9 0.1.76", "RHEL-9 0.1.80"
NEWER = {**STATE, "crypto_policy": "fail"}  # the same state by content that has a rule more


def _file(words: Mapping[str, str], benchmark: str) -> bytes:
    """A results file as the scanner leaves it in the guest. The scores are those of case 04: 95.0 and 90.47."""
    name, _, release = benchmark.partition(" ")
    score = 100 * sum(word == "pass" for word in words.values()) / len(words)
    text = results(
        words.items(),
        score=f"{score:.6f}",
        profile=f"{PREFIX}_profile_{PROFILE}",
        rules="".join(rule(each, severity="medium") for each in words),
        attributes=f'version="{release}"',
    )
    named = f'<benchmark href="#x" id="{PREFIX}_benchmark_{name}"/><profile '
    return zipped(text.replace("<profile ", named))


def _built(monkeypatch: pytest.MonkeyPatch, child: Mapping[str, str], benchmark: str = NEW) -> SimulatedWorld:
    """A base by the old content, and a child by `benchmark`. The builder reads its files and reports."""
    files = {str(BASE): _file(STATE, OLD), str(JAVA): _file(child, benchmark)}

    def of_job(job: BuildJob, *, score: int) -> ReportedScan | None:
        return xccdf.parse(files[job.image], profile=PROFILE) if job.stage == "verify" else None

    monkeypatch.setattr(scans, "of_job", of_job)
    made = scenes.registered(TWO)
    made.drain()
    return made


def _ratchet(build: Build) -> Verdict:
    (found,) = [verdict for verdict in build.verdicts if verdict.gate == "ratchet"]
    return found


def test_case_04_the_child_of_the_same_state_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _built(monkeypatch, NEWER)
    (base,), (java,) = scenes.builds(made, BASE), scenes.builds(made, JAVA)
    assert (base.result, java.result) == (Result.SUCCEEDED, Result.SUCCEEDED)
    verdict = _ratchet(java)
    assert (verdict.passed, verdict.score, verdict.benchmark) == (True, 95, NEW)
    assert f"95 against 95 of the parent rhel9-base@{base.version} over the 20 rules" in verdict.evidence
    assert OLD in verdict.evidence


def test_a_rule_of_both_contents_that_the_child_broke_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _built(monkeypatch, {**NEWER, "rule_3": "fail"})
    (java,) = scenes.builds(made, JAVA)
    assert java.result is Result.FAILED
    verdict = _ratchet(java)
    assert verdict.evidence.startswith("90 against 95 of the parent rhel9-base@")
    assert "rule_3 (medium)" in verdict.evidence
    assert "crypto_policy" not in verdict.evidence


def test_by_the_same_content_the_scores_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _built(monkeypatch, NEWER, OLD)
    (java,) = scenes.builds(made, JAVA)
    assert java.result is Result.FAILED
    assert java.failure is not None
    assert java.failure.message.startswith("ratchet: 90.4")


def test_after_lost_tables_the_rules_are_compared_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent's report is in the blobs, with its benchmark and its rules."""
    made = _built(monkeypatch, NEWER)
    losses.lose_tables(made)
    losses.recover(made)
    made.register("rhel9-java", "rhel9-base", text="edited")
    made.drain()
    java = scenes.builds(made, JAVA)[-1]
    assert java.result is Result.SUCCEEDED
    assert "over the 20 rules" in _ratchet(java).evidence
