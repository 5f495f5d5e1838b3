"""`packer build` of the templates that the builder renders: what is made, what the guest was asked, what is left."""

import hashlib
import json
from pathlib import Path

import pytest

from builder.packer import manifest
from builder.results import checks, ports
from local.guest import replies
from pipeline_core.domain import captures
from pipeline_core.domain.errors import ErrorClass
from pipeline_core.wire.job import JobPort, Step
from tests.packer.workbench import Workbench
from tests.unit.builder import samples

HOSTILE = {
    "HCL": '${file("/etc/hostname")} %{ if true }yes%{ endif } $${x} %%{y}',
    "LEGACY": "{{ env `PATH` }} {{ .Path }} {{user `x`}} {{build `ID`}}",
    "ENDS": "a\r\nb" + "x" * 70_000,
    "QUOTES": 'it\'s "quoted" `date` $(id) \\ \n second line\ttab ; rm -rf / # é',
}


def test_a_root_is_built_from_the_marketplace_and_nothing_else_stays(
    bench: Workbench, tmp_path: Path
) -> None:
    job = bench.root_job()
    outcome = bench.run(job, tmp_path / "work")
    assert outcome.run.succeeded, outcome.text
    version = bench.cloud.version(job.destination)
    assert version["tags"] == job.tags
    publishing = version["properties"]["publishingProfile"]
    assert publishing["excludeFromLatest"] is True
    assert [each["name"] for each in publishing["targetRegions"]] == ["westeurope"]
    assert publishing.get("replicationMode", "Full") == "Full"  # plugin 1.x knows no mode
    content = (outcome.folder / "manifest.json").read_bytes()
    left = bench.cloud.get(json.loads(content)["builds"][-1]["artifact_id"])
    assert left["name"] == job.placement.managed_image
    assert left["tags"] == job.tags  # it stays, so the reaper must find it
    assert version["properties"]["storageProfile"]["source"]["id"].lower() == left["id"].lower()
    assert manifest.version_of(content, job).lower() == version["id"].lower()
    assert bench.left_over(job) == []
    assert bench.arm.ask("GET", "requests")["refused"] == []


def test_a_setting_captures_a_trusted_launch_machine_without_a_managed_image(
    bench: Workbench, tmp_path: Path
) -> None:
    job = bench.captured_job()
    outcome = bench.run(job, tmp_path / "work")
    assert outcome.run.succeeded, outcome.text
    version = bench.cloud.version(job.destination)
    source = version["properties"]["storageProfile"]["source"]
    assert "/virtualMachines/" in (
        source.get("virtualMachineId") or source["id"]
    )  # 1.x has the older property
    content = (outcome.folder / "manifest.json").read_bytes()
    assert manifest.version_of(content, job).lower() == version["id"].lower()
    assert bench.left_over(job) == []


def test_azure_refuses_a_trusted_launch_machine_for_the_default_definition(
    bench: Workbench, tmp_path: Path
) -> None:
    """The defect of hashicorp/packer-plugin-azure#304: the refusal names the setting that changes the way."""
    job = bench.captured_job()
    supported = job.destination.model_copy(update={"image": f"{job.image}-supported"})
    bench.cloud.make_definition(supported)
    outcome = bench.run(job.model_copy(update={"destination": supported}), tmp_path / "work")
    assert not outcome.run.succeeded
    failed = outcome.failed(job)
    assert failed.error_class is ErrorClass.TEMPLATE
    assert f"{captures.SETTING}=managed-image" in failed.message.splitlines()[0]
    assert bench.cloud.versions(supported) == []


def test_the_guest_gets_every_file_as_it_is_and_every_step_in_its_order(
    bench: Workbench, tmp_path: Path
) -> None:
    step = Step(kind="shell", path="scripts/install.sh", env=HOSTILE)
    job = bench.child_job(steps=(step, *samples.child_job().steps[1:]))
    outcome = bench.run(job, tmp_path / "work")
    assert outcome.run.succeeded, outcome.text
    assert outcome.text.count(replies.NOTE) == len(outcome.plan.scripts)
    asked = bench.asked(job)
    scripts = [script.content.encode() for script in outcome.plan.scripts]
    staged = [samples.BUNDLE_CONTENT, samples.PLATFORM_CONTENT, b"[]"]
    before = {"prepare.sh": staged, "renew.sh": [samples.PLATFORM_CONTENT]}
    sent = []
    for script, content in zip(outcome.plan.scripts, scripts, strict=True):
        sent += [*before.get(script.file.split("-", 1)[1], []), content]
    uploads = [each for each in asked if each["kind"] == "upload"]
    assert [each["sha256"] for each in uploads] == [hashlib.sha256(content).hexdigest() for content in sent]
    assert [each["path"] for each in uploads[:3]] == [
        "/tmp/imagefactory-bundle.tar.gz",
        "/tmp/imagefactory-platform.tar.gz",
        "/tmp/imagefactory-catalog.json",
    ]
    steps = [each for each in asked if each["kind"] == "command" and each["step"]]
    assert [each["step"] for each in steps] == [replies.announced(script) for script in scripts]
    assert all("sudo -n /bin/bash -p /tmp/script_" in each["command"] for each in steps)
    commands = [each["command"] for each in asked if each["kind"] == "command"]
    assert commands[-1] == steps[-1]["command"]  # after the last step the user is gone: nothing is cleaned up
    assert not any(value in line for line in commands for value in HOSTILE.values())
    assert bench.cloud.version(job.destination)["tags"] == job.tags
    assert bench.left_over(job) == []


def test_a_verify_boots_the_quarantined_version_and_makes_no_image(bench: Workbench, tmp_path: Path) -> None:
    job = bench.verify_job()
    outcome = bench.run(job, tmp_path / "work")
    assert outcome.run.succeeded, outcome.text
    assert bench.cloud.versions(job.destination) == [job.destination.version]
    assert not (outcome.folder / "manifest.json").exists()
    files = {name: (outcome.folder / "results" / name).read_bytes() for name in outcome.plan.results}
    downloads = [each for each in bench.asked(job) if each["kind"] == "download"]
    assert {each["path"].rsplit("/", 1)[1]: each["sha256"] for each in downloads} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }
    found = checks.of_verify(files, job.tests, simulated=False)
    assert {"goss", "smoke", "hygiene"} <= {check.name for check in found.checks if check.simulated}
    assert all(check.passed for check in found.checks)
    assert found.scan is not None
    assert (found.scan.profile, found.scan.simulated) == (job.tests.profile, True)
    assert bench.left_over(job) == []


@pytest.mark.parametrize(("scenario", "passed"), [("ok", True), ("fail-ports", False)])
def test_the_ports_are_tried_at_the_address_that_packer_knows(
    bench: Workbench, tmp_path: Path, scenario: str, *, passed: bool
) -> None:
    """The emulated probe refuses to run with another address than the machine's."""
    job = bench.verify_job(serves=(JobPort(port=8443),))
    bench.set_scenario({job.image: {"verify": scenario}})
    outcome = bench.run(job, tmp_path / "work")
    assert outcome.run.succeeded, outcome.text
    assert "imagefactory: step 1 of 2: platform: ports" in outcome.text
    answer = (outcome.folder / ports.FOUND).read_bytes()
    check = ports.check(job, samples.PLATFORM, answer, simulated=True)
    assert check is not None
    assert check.passed is passed
    assert passed or check.detail.startswith(f"8443/tcp of {job.image}: nothing listens at it")
