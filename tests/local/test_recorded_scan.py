"""The builder reads the recorded scan like any scanner's file, and the scan says that it is simulated."""

import pytest

from builder.results import checks, xccdf
from local.recorded import results
from pipeline_core.domain import gates
from pipeline_core.domain.compliance import ParentScore
from pipeline_core.domain.definitions import ComplianceTarget, Verification
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.wire.job import Tests as Asked

ASKED = Asked(goss="goss.yaml", smoke=("smoke.sh",), profile="cis_server_l1")
VERIFY = Verification(
    goss="goss.yaml", smoke=("smoke.sh",), compliance=ComplianceTarget(profile="cis_server_l1", min_score=90)
)


@pytest.mark.parametrize("refused", ["", "goss", "smoke", "hygiene", "compliance"])
def test_a_scenario_lets_just_its_own_gate_refuse(refused: str) -> None:
    scenario = f"fail-{refused}" if refused else "ok"
    files = {name: results.render(name, scenario, "cis_server_l1") for name in checks.names(ASKED)}
    found = checks.of_verify(files, ASKED, simulated=False)
    assert found.scan is not None
    verdicts = gates.judge(
        VERIFY,
        [check.to_domain() for check in found.checks],
        found.scan.to_domain(),
        waivers=(),
        floor=ComplianceFloor(),
        parent=None,
    )
    assert {verdict.gate for verdict in verdicts if not verdict.passed} == ({refused} if refused else set())
    assert all(verdict.simulated for verdict in verdicts if verdict.gate != "boot")


def test_parents_and_children_score_alike() -> None:
    content = results.render("xccdf.xml.gz", "ok", "cis_server_l1")
    assert results.render("xccdf.xml.gz", "ok", "cis_server_l1") == content
    scan = xccdf.parse(content, profile="cis_server_l1").to_domain()
    parent = ParentScore(parent="rhel9-base@9.20261121.1", profile=scan.profile, score=scan.score)
    verdicts = gates.judge(VERIFY, [], scan, waivers=(), floor=ComplianceFloor(), parent=parent)
    assert [verdict.passed for verdict in verdicts if verdict.gate == "ratchet"] == [True]


def test_a_profile_is_written_as_it_is_asked_for() -> None:
    content = results.render("xccdf.xml.gz", "ok", 'odd"&<profile>')
    assert xccdf.parse(content, profile='odd"&<profile>').simulated
