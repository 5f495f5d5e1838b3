"""What the container of one attempt may do with blobs: its inputs, its own folder, and no longer than it can run."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline_core.domain import attempts, blob_rights
from pipeline_core.domain.blob_rights import BlobPlace, BlobRight, BlobToken
from pipeline_core.domain.names import Digest

JOB, BUNDLE, PLATFORM = (Digest(letter * 64) for letter in "abc")
FOLDER = attempts.folder("payments-api.3fa9c1d20b77.1", "build", 2)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("stage", ["build", "verify"])
def test_an_attempt_writes_in_its_own_folder_and_reads_its_inputs(stage: str) -> None:
    given = blob_rights.rights_of(FOLDER, stage, job=JOB, bundles=(BUNDLE, PLATFORM))
    written = {place for place, rights in given.items() if rights != {BlobRight.READ}}
    assert {(place.container, place.name.rpartition("/")[0]) for place in written} == {("builds", FOLDER)}
    assert {str(place) for place in given.keys() - written} == {
        f"jobs/{JOB}.json",
        f"bundles/{BUNDLE}.tar.gz",
        f"bundles/{PLATFORM}.tar.gz",
    }


@pytest.mark.parametrize("stage", ["build", "verify"])
def test_an_attempt_reads_the_files_of_its_own_tools_and_no_other_of_the_catalog(stage: str) -> None:
    given = blob_rights.rights_of(FOLDER, stage, job=JOB, bundles=(), tools=("d" * 64, "e" * 64))
    of_catalog = {str(place): rights for place, rights in given.items() if place.container == "catalog"}
    assert of_catalog == {f"catalog/{letter * 64}": {BlobRight.READ} for letter in "de"}
    assert "catalog-quarantine" not in {place.container for place in given}


@pytest.mark.parametrize("stage", ["build", "verify"])
def test_only_the_log_can_be_added_to_and_the_driver_s_own_notes_cannot_be_written(stage: str) -> None:
    given = blob_rights.rights_of(FOLDER, stage, job=JOB, bundles=())
    names = {place.name.rpartition("/")[2]: rights for place, rights in given.items()}
    assert [name for name, rights in names.items() if BlobRight.APPEND in rights] == [attempts.LOG]
    assert {attempts.STARTED, attempts.REPORT, attempts.LOG} < names.keys()
    of_driver = {attempts.LAUNCHED, attempts.WAITS, attempts.NEVER_BEGAN, attempts.GIVEN_UP, attempts.REFUSED}
    assert not of_driver & names.keys()


def test_no_right_replaces_or_deletes() -> None:
    assert {right.value for right in BlobRight} == {"read", "create", "append"}


@pytest.mark.parametrize(("stage", "hours"), [("build", 12.25), ("verify", 10.25)])
def test_the_token_of_the_longest_build_ends_the_same_day(stage: str, hours: float) -> None:
    ends = blob_rights.ends_at(NOW, stage, timedelta(hours=8))
    assert ends == NOW + timedelta(hours=hours)
    assert ends - NOW > blob_rights.needed_for(stage, timedelta(hours=8))


def test_a_token_shows_nothing_of_its_secrets() -> None:
    place = BlobPlace(container="builds", name="a")
    token = BlobToken(until=NOW, shared="skoid=someone", own={place: "sig=secret"})
    assert "secret" not in repr(token)
    assert "someone" not in str(token)
