"""A restart inside a build, with the real Packer: once, only where it is asked for, and everything is staged again."""

from pathlib import Path

import pytest

from pipeline_core.domain.errors import ErrorClass
from tests.packer.workbench import Workbench


def _machine(bench: Workbench, build: str) -> int:
    """How often the machine of this build has started."""
    (found,) = [
        each for each in bench.arm.ask("GET", "guests") if each["tags"].get("imagefactory-build") == build
    ]
    return int(found["boots"])


@pytest.mark.parametrize("scenario", ["restart", "restart-late"])
def test_a_build_goes_on_after_its_machine_has_restarted(
    bench: Workbench, tmp_path: Path, scenario: str
) -> None:
    job = bench.root_job()
    bench.set_scenario({job.image: {"build": scenario}})
    outcome = bench.run(job, tmp_path / "work")
    assert outcome.run.succeeded, outcome.text
    assert _machine(bench, job.build) == 2
    steps = [each["step"] for each in bench.asked(job) if each["kind"] == "command" and each["step"]]
    assert len([each for each in steps if "-restart.sh" in each]) == 1
    assert len([each for each in steps if each.endswith(": prepare")]) == 2
    sent = [each["path"] for each in bench.asked(job) if each["kind"] == "upload"]
    assert sent.count("/tmp/imagefactory-bundle.tar.gz") == 2
    assert bench.cloud.version(job.destination)["tags"] == job.tags
    assert bench.left_over(job) == []


def test_nothing_restarts_that_nobody_asked_to(bench: Workbench, tmp_path: Path) -> None:
    job = bench.child_job()
    outcome = bench.run(job, tmp_path / "work")
    assert outcome.run.succeeded, outcome.text
    assert "retrying with" not in outcome.text
    assert _machine(bench, job.build) == 1


def test_a_restart_that_no_step_of_the_platform_asked_for_still_fails(
    bench: Workbench, tmp_path: Path
) -> None:
    job = bench.root_job()
    bench.set_scenario({job.image: {"build": {"scenario": "drop", "step": "scripts/install.sh"}}})
    outcome = bench.run(job, tmp_path / "work")
    assert outcome.failed(job).error_class is ErrorClass.NETWORK
    assert bench.left_over(job) == []
