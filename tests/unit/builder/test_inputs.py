"""Inputs are taken by digest and for this attempt alone."""

from pathlib import Path

import pytest

from builder import inputs
from builder.settings import BuilderSettings
from pipeline_core.domain.errors import ErrorClass, NotFound, Owner, PermanentError, TransientError
from pipeline_core.wire.job import BuildJob, StagedTool
from tests.unit.builder import samples
from tests.unit.builder.fakes import FolderBlobs


@pytest.mark.parametrize(("name", "value"), [("IF_ATTEMPT", "2"), ("IF_BUILD_ID", samples.CHILD_BUILD)])
def test_a_job_for_another_attempt_is_refused(tmp_path: Path, name: str, value: str) -> None:
    job = samples.root_job()
    samples.store(tmp_path, job)
    settings = BuilderSettings.read({**samples.environment_for(job), name: value})

    with pytest.raises(PermanentError, match="this container is") as caught:
        inputs.fetch_job(FolderBlobs(tmp_path), settings)
    assert caught.value.error_class is ErrorClass.TEMPLATE


def test_a_job_with_another_content_than_its_digest_is_refused(tmp_path: Path) -> None:
    job = samples.root_job()
    samples.store(tmp_path, job)
    settings = samples.settings_for(job)
    longer = job.model_copy(update={"timeout_seconds": 9999})
    (tmp_path / "jobs" / f"{settings.job}.json").write_bytes(longer.to_wire())

    with pytest.raises(PermanentError, match="digest"):
        inputs.fetch_job(FolderBlobs(tmp_path), settings)


def test_a_job_of_a_newer_schema_is_refused_and_the_team_is_not_to_blame(tmp_path: Path) -> None:
    job = samples.root_job().model_copy(update={"schema_version": 3})
    samples.store(tmp_path, job)
    with pytest.raises(PermanentError, match="schema_version") as caught:
        inputs.fetch_job(FolderBlobs(tmp_path), samples.settings_for(job))
    assert caught.value.owner is Owner.PLATFORM


def test_a_job_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        inputs.fetch_job(FolderBlobs(tmp_path), samples.settings_for(samples.root_job()))


def test_the_names_of_both_archives_are_listed(tmp_path: Path) -> None:
    job = samples.root_job()
    samples.store(tmp_path, job)

    found = inputs.fetch_archives(FolderBlobs(tmp_path), job)

    assert found.bundle.names == frozenset(samples.BUNDLE)
    assert found.platform.names == frozenset(samples.PLATFORM)


def tools_of(tmp_path: Path, job: BuildJob, *, stored: bytes | None = samples.TOOL_CONTENT) -> Path:
    """The folder with the files of the job's tools, whose blob holds `stored`."""
    samples.store(tmp_path, job, platform=samples.PLATFORM_WITH_TOOL)
    (tmp_path / "catalog").mkdir()
    if stored is not None:
        (tmp_path / "catalog" / samples.TOOL.sha256).write_bytes(stored)
    folder = tmp_path / "tools"
    folder.mkdir()
    inputs.fetch_tools(FolderBlobs(tmp_path), job, folder)
    return folder


def with_tool(**tools: tuple[StagedTool, ...]) -> BuildJob:
    return samples.root_job(platform=samples.digest_of(samples.PLATFORM_WITH_TOOL), **tools)


def test_each_file_comes_once_from_our_own_storage(tmp_path: Path) -> None:
    job = with_tool(catalog=(samples.TOOL,), tools=(samples.TOOL,))
    folder = tools_of(tmp_path, job)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == {
        samples.TOOL.sha256: samples.TOOL_CONTENT
    }
    inputs.fetch_archives(FolderBlobs(tmp_path), job)  # the guard has nothing against it


def test_a_tool_of_an_older_factory_is_fetched_by_its_own_steps(tmp_path: Path) -> None:
    older = samples.TOOL.model_copy(update={"file": ""})
    assert list(tools_of(tmp_path, with_tool(catalog=(older,)), stored=None).iterdir()) == []


def test_a_file_with_another_content_is_the_platforms_finding(tmp_path: Path) -> None:
    with pytest.raises(
        PermanentError,
        match=r"the file of agent 1\.0\.0 .* has the content of .* delete the blob catalog/[0-9a-f]{64}; the",
    ) as caught:
        tools_of(tmp_path, with_tool(catalog=(samples.TOOL,)), stored=b"another")
    assert (caught.value.error_class, caught.value.owner) == (ErrorClass.POLICY, Owner.PLATFORM)


def test_a_file_that_is_gone_is_tried_again_and_is_nobodys_fault_in_the_team(tmp_path: Path) -> None:
    with pytest.raises(
        TransientError, match="is not in the container catalog: the factory makes it again"
    ) as caught:
        tools_of(tmp_path, with_tool(tools=(samples.TOOL,)), stored=None)
    assert caught.value.error_class.owner is Owner.PLATFORM


def test_a_tool_of_the_platforms_own_steps_must_be_pinned_too(tmp_path: Path) -> None:
    job = samples.root_job(tools=(samples.TOOL,))  # the catalog of these steps is empty
    samples.store(tmp_path, job)
    with pytest.raises(PermanentError, match="catalog-differs"):
        inputs.fetch_archives(FolderBlobs(tmp_path), job)


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    content = b"no archive at all"
    job = samples.root_job(bundle=samples.digest_of(content))
    samples.store(tmp_path, job)
    (tmp_path / "bundles" / f"{job.bundle}.tar.gz").write_bytes(content)

    with pytest.raises(PermanentError, match="the policy guard refused") as caught:
        inputs.fetch_archives(FolderBlobs(tmp_path), job)
    assert caught.value.error_class is ErrorClass.POLICY
