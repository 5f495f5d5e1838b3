"""What goes wrong, with the real Packer: the exit code, the class that the builder reads from it, and what is left."""

from pathlib import Path

import pytest

from builder.packer.command import RunEnd
from pipeline_core.domain.errors import ErrorClass
from tests.packer import workbench
from tests.packer.workbench import Workbench


@pytest.mark.parametrize(
    ("entry", "error_class", "said"),
    [
        (
            {"scenario": "fail-provisioner", "exit_code": 3, "output": "no such package: java-99"},
            ErrorClass.PROVISIONER,
            "no such package: java-99",
        ),
        ("fail-hygiene", ErrorClass.HYGIENE, "Script exited with non-zero exit status: 1"),
        ({"scenario": "drop", "step": "step 4 of"}, ErrorClass.NETWORK, "Script disconnected unexpectedly"),
        ("fail-capacity", ErrorClass.CAPACITY, "AllocationFailed"),
    ],
    ids=["a failing script", "a failing hygiene check", "a dropped connection", "no machine to be had"],
)
def test_a_build_that_fails_is_classified_and_cleaned_up(
    bench: Workbench, tmp_path: Path, entry: object, error_class: ErrorClass, said: str
) -> None:
    job = bench.root_job()
    bench.set_scenario({job.image: {"build": entry}})
    outcome = bench.run(job, tmp_path / "work")
    assert (outcome.run.ended, outcome.run.exit_code) == (RunEnd.BY_ITSELF, 1)
    assert said in outcome.text
    assert outcome.failed(job).error_class is error_class
    assert bench.cloud.versions(job.destination) == []
    assert bench.left_over(job) == []


def test_only_the_named_attempt_fails(bench: Workbench, tmp_path: Path) -> None:
    job = bench.verify_job()
    bench.set_scenario({job.image: {"verify": [{"scenario": "fail-provisioner"}, "ok"]}})
    first = bench.run(job, tmp_path / "first")
    assert first.failed(job).error_class is ErrorClass.SMOKE
    again = job.model_copy(update={"attempt": 2, "tags": {**job.tags, "imagefactory-attempt": "2"}})
    assert bench.run(again, tmp_path / "second").run.succeeded


def test_a_guest_that_hangs_is_ended_from_outside_and_cleaned_up(bench: Workbench, tmp_path: Path) -> None:
    job = bench.root_job()
    bench.set_scenario({job.image: {"build": "hang"}})
    outcome = bench.run(job, tmp_path / "work", seconds=12)
    assert outcome.run.ended is RunEnd.TIMED_OUT
    assert "Cancelling build" in outcome.text
    assert outcome.failed(job).error_class is ErrorClass.PROVISIONER
    assert bench.cloud.versions(job.destination) == []
    assert bench.left_over(job) == []


@pytest.mark.parametrize(
    ("change", "error_class", "said"),
    [
        ({"source": {"version": "9.9.1"}}, ErrorClass.NOT_FOUND, "PlatformImageNotFound"),
        ({"placement": {"vm_size": "Large"}}, ErrorClass.TEMPLATE, "not valid"),
        (
            {"placement": {"resource_group": "rg-none"}},
            ErrorClass.NOT_FOUND,
            "Cannot locate the managed image resource group",
        ),
        ({"subnet": "snet-none"}, ErrorClass.NOT_FOUND, "InvalidResourceReference"),
    ],
    ids=["no such release", "no such size", "no such group", "no such subnet"],
)
def test_what_azure_refuses_ends_before_anything_is_made(
    bench: Workbench, tmp_path: Path, change: dict[str, object], error_class: ErrorClass, said: str
) -> None:
    job = bench.root_job()
    for part in ("source", "placement"):
        if part in change:
            job = job.model_copy(update={part: getattr(job, part).model_copy(update=change[part])})
    if "subnet" in change:
        subnet = job.placement.vm_subnet_id.rsplit("/", 1)[0] + f"/{change['subnet']}"
        job = job.model_copy(update={"placement": job.placement.model_copy(update={"vm_subnet_id": subnet})})
    outcome = bench.run(job, tmp_path / "work")
    assert outcome.run.exit_code == 1
    assert said in outcome.text
    is_worded_otherwise = bench.real.has_managed_identity and "rg-none" in str(change)  # by plugin 1.x
    if not is_worded_otherwise:
        assert outcome.failed(job).error_class is error_class
    assert bench.left_over(job) == []


def test_a_version_that_exists_is_never_written_again(bench: Workbench, tmp_path: Path) -> None:
    job = bench.root_job()
    bench.cloud.make_version(job.destination)
    outcome = bench.run(job, tmp_path / "work")
    assert outcome.run.exit_code == 1
    # Plugin 1.x does not look first: it is Azure that keeps it from writing.
    at_once = not bench.real.has_managed_identity
    assert outcome.failed(job).error_class is (ErrorClass.CONFLICT if at_once else ErrorClass.TEMPLATE)
    assert ("already exists" if at_once else "PropertyChangeNotAllowed") in outcome.text
    assert bench.cloud.version(job.destination)["tags"] == {}
    assert bench.left_over(job) == []


def test_the_builder_cannot_write_into_the_live_gallery(bench: Workbench, tmp_path: Path) -> None:
    job = bench.root_job()
    live = job.destination.model_copy(update={"gallery": "live"})
    bench.cloud.make_definition(live)
    job = job.model_copy(update={"destination": live})
    outcome = bench.run(job, tmp_path / "work")
    assert outcome.run.exit_code == 1
    assert outcome.failed(job).error_class is ErrorClass.PERMISSION
    assert bench.cloud.versions(live) == []
    assert bench.left_over(job) == []


def test_without_a_subnet_the_builders_role_is_not_enough(bench: Workbench, tmp_path: Path) -> None:
    job = bench.root_job()
    job = job.model_copy(update={"placement": job.placement.model_copy(update={"vm_subnet_id": ""})})
    outcome = bench.run(job, tmp_path / "work")
    assert outcome.run.exit_code == 1
    assert "Microsoft.Network/publicIPAddresses/write" in outcome.text
    assert outcome.failed(job).error_class is ErrorClass.PERMISSION
    assert bench.left_over(job) == []


def test_without_a_subnet_packer_makes_and_deletes_a_network_of_its_own(
    emulator: Workbench, tmp_path: Path
) -> None:
    with workbench.start(tmp_path, emulator.real) as own:
        rights = {"client_id": workbench.BUILDER, "actions": ["Microsoft.Network/*"]}
        own.arm.ask("POST", "rights", rights)
        job = own.root_job()
        job = job.model_copy(update={"placement": job.placement.model_copy(update={"vm_subnet_id": ""})})
        outcome = own.run(job, tmp_path / "work")
        assert outcome.run.succeeded, outcome.text
        assert "PublicEndpoint" in outcome.text
        assert own.left_over(job) == []
