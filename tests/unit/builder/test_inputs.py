"""Inputs are taken by digest and for this attempt alone."""

from pathlib import Path

import pytest

from builder import inputs
from builder.settings import BuilderSettings
from pipeline_core.domain.errors import ErrorClass, NotFound, Owner, PermanentError
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


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    content = b"no archive at all"
    job = samples.root_job(bundle=samples.digest_of(content))
    samples.store(tmp_path, job)
    (tmp_path / "bundles" / f"{job.bundle}.tar.gz").write_bytes(content)

    with pytest.raises(PermanentError, match="the policy guard refused") as caught:
        inputs.fetch_archives(FolderBlobs(tmp_path), job)
    assert caught.value.error_class is ErrorClass.POLICY
