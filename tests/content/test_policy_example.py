"""The example of docs/policy.md can be met by what is baked: the real scan of a hardened root, through the gates."""

import gzip
from pathlib import Path

import pytest

from builder.results import xccdf
from pipeline_core.domain import gates
from pipeline_core.domain.definitions import ComplianceTarget, Verification
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.wire.document.text import read_yaml
from pipeline_core.wire.policy import parse_policy
from tools.content.harden import ROOT, HardenedRoot

pytestmark = [pytest.mark.timeout(1800), pytest.mark.content]

PROFILE = "cis_server_l1"
EXAMPLE = (ROOT / "docs/policy.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]


def _judged(results: Path) -> dict[str, Verdict]:
    """The gates of the example's floor of a base over a scan, as the builder reads it."""
    scan = xccdf.parse(gzip.compress(results.read_bytes(), compresslevel=1), profile=PROFILE).to_domain()
    floor = parse_policy(dict(read_yaml(EXAMPLE.encode())), revision=1).floor(ImageName("rhel9-base"))
    verify = Verification(compliance=ComplianceTarget(profile=PROFILE, min_score=0))
    found = gates.judge(verify, [], scan, waivers=(), floor=floor, parent=None)
    return {each.gate: each for each in found}


def test_a_hardened_base_passes_the_gates_of_the_example(hardened: HardenedRoot) -> None:
    found = _judged(hardened.root.parent / "after.xml")
    for gate in ("compliance", "severities"):
        assert found[gate].passed, found[gate].evidence


def test_a_base_that_nobody_hardened_does_not(hardened: HardenedRoot) -> None:
    found = _judged(hardened.root.parent / "before.xml")
    for gate in ("compliance", "severities"):
        assert not found[gate].passed, found[gate].evidence
