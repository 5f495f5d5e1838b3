"""The pages of a build and of a comparison: what they show, that they are safe, and that they are accessible."""

import itertools
import re
from dataclasses import replace

import markupsafe
import pytest

from dashboard import pages
from pipeline_core.domain.byte_ranges import PART
from pipeline_core.domain.compliance import RuleFinding, Severity
from pipeline_core.domain.differences import (
    AdvisoryNote,
    ChangeKind,
    ComplianceChange,
    PackageChange,
    ScanScore,
)
from tests.unit.dashboard.test_pages import Outline
from tests.unit.triggers import evidence_twins, views

BUILD = pages.build(replace(views.FAILED, id=views.BUILD_ID), evidence_twins.SHOWN)
BARE = pages.build(views.BUILD, replace(evidence_twins.SHOWN, gates=(), files=()))
DIFF = pages.comparison(evidence_twins.COMPARED)
SAME = pages.comparison(
    replace(
        evidence_twins.COMPARED,
        packages=(),
        fixed=(),
        still_open=(),
        compliance=ComplianceChange(
            before=ScanScore(profile="cis", score=90.0),
            after=ScanScore(profile="cis", score=90.0),
            newly_failing=(),
            no_longer_failing=(),
        ),
        simulated=False,
    )
)
ALL = pytest.mark.parametrize("text", [BUILD, BARE, DIFF, SAME], ids=["build", "bare", "diff", "same"])


@ALL
def test_a_page_is_well_formed_and_accessible(text: str) -> None:
    outline = Outline(text)
    assert len(outline.attributes("h1")) == len(outline.attributes("main")) == 1
    levels = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    identifiers = {attributes["id"] for _, attributes in outline.tags if "id" in attributes}
    assert all(table["aria-labelledby"] in identifiers for table in outline.attributes("table"))
    assert all(cell.get("scope") in {"col", "row"} for cell in outline.attributes("th"))
    assert not {tag for tag, _ in outline.tags} & {"script", "style", "img", "iframe", "form", "object"}
    assert "://" not in text


def test_a_build_shows_its_gates_and_its_files() -> None:
    gates = BUILD[BUILD.index('id="gates"') : BUILD.index('id="evidence"')]
    assert 'mark bad">failed' in gates
    assert "61.5" in gates
    assert "simulated" in gates
    evidence = BUILD[BUILD.index('id="evidence"') :]
    assert f'download href="/api/builds/{views.BUILD_ID}/evidence/verify-1/report.html.gz"' in evidence
    assert evidence_twins.HTML_DIGEST in evidence
    assert "build 1 (followed by another)" in evidence
    assert "4.0 KiB" in evidence
    assert "none: it is written while the build runs" in evidence
    assert "team must act" in BUILD


def test_a_build_without_evidence_says_so() -> None:
    assert "Not judged yet." in BARE
    assert "Nothing is kept of this build yet." in BARE


def test_evidence_that_cannot_be_trusted_is_reported() -> None:
    text = pages.build(views.BUILD, replace(evidence_twins.SHOWN, problems=("its digest differs",)))
    assert "<li>its digest differs</li>" in text


def test_a_comparison_shows_what_is_known_and_what_is_not() -> None:
    assert "<td>upgraded</td>" in DIFF
    assert "bash (x86_64)" in DIFF
    assert "RHSA-2026:1</strong> important security: bash" in DIFF
    assert "Not known: the machine could not ask its vendor." in DIFF
    assert "The two scans cannot be compared." in DIFF
    assert "90.0 by cis_server_l1" in DIFF
    assert "not scanned" in DIFF
    assert "<code>sshd_x</code> (high): Disable X" in DIFF
    assert "simulated" in DIFF
    assert "The same packages in the same versions." in SAME
    assert "simulated" not in SAME
    assert "No new ones." in SAME


@pytest.mark.parametrize(
    "attack", ['<script>alert("1")</script>', "' onclick='x", "{{ 7 * 7 }}", '"><img src=x>']
)
def test_what_machines_wrote_is_shown_and_never_run(attack: str) -> None:
    change = PackageChange(name=attack, arch=attack, kind=ChangeKind.ADDED, before=(attack,), after=(attack,))
    finding = RuleFinding(rule=attack, result="fail", severity=Severity.LOW, title=attack)
    scored = ScanScore(profile=attack, score=1.0)
    note = AdvisoryNote(id=attack, kind=attack, severity=attack, packages=(attack,))
    compared = replace(
        evidence_twins.COMPARED,
        packages=(change,),
        fixed=(note,),
        still_open=(note,),
        compliance=ComplianceChange(
            before=scored, after=scored, newly_failing=(finding,), no_longer_failing=(finding,)
        ),
    )
    file = replace(evidence_twins.FILE, name=attack, sha256=attack)
    gate = replace(evidence_twins.SHOWN.gates[0], gate=attack, evidence=attack)
    shown = replace(evidence_twins.SHOWN, files=(file,), gates=(gate,), problems=(attack,))
    text = pages.comparison(compared) + pages.build(replace(views.FAILED, failure=attack), shown)
    assert not re.search("<(script|img)", text)
    assert "onclick='x\"" not in text
    assert text.count(str(markupsafe.escape(attack))) >= 10


def test_versions_lead_to_what_changed_since_the_one_before() -> None:
    older = replace(views.FINISHED, version="1.20261119.1")
    text = pages.image(replace(views.DETAIL, builds=(views.BUILD, views.FINISHED, older)))
    assert 'href="/images/payments-api/diff?from=1.20261119.1&amp;to=1.20261120.1"' in text
    assert text.count("/diff?from=") == 1
    assert f'href="/builds/{views.BUILD_ID}"' in text


def test_a_file_that_is_larger_than_one_answer_has_no_link() -> None:
    files = (replace(evidence_twins.FILE, size=PART), replace(evidence_twins.FILE, size=PART + 1))
    text = pages.build(views.BUILD, replace(evidence_twins.SHOWN, files=files))
    assert text.count("download href=") == 1
    assert f"imagefactory evidence {views.BUILD_ID} --save DIR" in text
