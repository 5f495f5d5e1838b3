"""Names that are stored in Azure: a changed one would orphan everything that carries the old one."""

from dataclasses import replace
from datetime import timedelta

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.names import BuildId
from tests.unit.domain import factories as make

BUILD = BuildId("payments-api.3fa9c1d20b77.1")


def test_stored_names_are_what_they_always_were() -> None:
    tags = {name: text for name, text in vars(attempts).items() if name.endswith("_TAG")}
    assert tags == {
        "BUILD_TAG": "imagefactory-build",
        "IMAGE_TAG": "imagefactory-image",
        "LEASE_TAG": "imagefactory-lease",
        "STAGE_TAG": "imagefactory-stage",
        "ATTEMPT_TAG": "imagefactory-attempt",
        "DEFINITION_TAG": "imagefactory-definition",
        "FINGERPRINT_TAG": "imagefactory-fingerprint",
        "ORIGIN_TAG": "imagefactory-origin",
        "PERIOD_TAG": "imagefactory-period",
        "PLATFORM_TAG": "imagefactory-platform",
        "TOKEN_TAG": "imagefactory-token",
        "PROVENANCE_TAG": "imagefactory-provenance",
    }
    assert all(text.startswith(attempts.TAG_PREFIX) for text in tags.values())
    assert (attempts.LAUNCHED, attempts.WAITS) == ("launched.json", "waits-for-container.json")
    assert [attempts.launched(number) for number in (1, 2)] == ["launched.json", "launched-2.json"]
    assert all(attempts.launched(number).startswith(attempts.LAUNCH) for number in (1, 2, 10))
    assert (attempts.STARTED, attempts.NEVER_BEGAN) == ("started.json", "never-began.json")
    assert (attempts.GIVEN_UP, attempts.DELETION) == ("given-up.json", "deletion-")
    assert (attempts.LOG, attempts.REPORT) == ("log.txt", "result.json")
    assert attempts.REFUSED == "refused.json"
    assert attempts.ORPHANED == "parent-not-found.json"


def test_each_attempt_of_each_stage_has_a_folder_of_its_own() -> None:
    folders = {attempts.folder(BUILD, stage, number) for stage in ("build", "verify") for number in (1, 2)}
    assert len(folders) == 4
    assert attempts.folder(BUILD, "build", 1) == "payments-api.3fa9c1d20b77.1/build-1"


def test_each_attempt_of_each_phase_has_a_note_of_its_own_about_a_refusal() -> None:
    published = replace(make.build(), id=BUILD, phase=Phase.PUBLISHING, attempt=2)
    assert attempts.refusal_of(published) == "payments-api.3fa9c1d20b77.1/publishing-2/refused.json"
    building = replace(published, phase=Phase.BUILDING, attempt=1)
    assert attempts.refusal_of(building) == "payments-api.3fa9c1d20b77.1/building-1/refused.json"


def test_a_group_is_named_by_the_digest_of_build_stage_and_attempt() -> None:
    verified = replace(make.build(), id=BUILD, phase=Phase.VERIFYING, attempt=2, build_attempt=3)
    # printf payments-api.3fa9c1d20b77.1/verify/2 | sha256sum | cut -c 1-24
    assert attempts.group_of(verified) == "if-verify-a4b9a7fac77972e01f7ee9c7"
    both = ("if-verify-a4b9a7fac77972e01f7ee9c7", "if-build-438eccbedcc36cd2a0a25e01")
    assert tuple(group.name for group in attempts.groups_of(verified)) == both
    assert [group.folder.rpartition("/")[2] for group in attempts.groups_of(verified)] == [
        "verify-2",
        "build-3",
    ]
    assert (
        attempts.group_of(replace(verified, phase=Phase.BUILDING, attempt=3))
        == "if-build-438eccbedcc36cd2a0a25e01"
    )
    assert attempts.folder_of(verified) == "payments-api.3fa9c1d20b77.1/verify-2"


def test_a_build_has_groups_only_in_the_phases_with_a_container() -> None:
    one = replace(make.build(), id=BUILD, phase=Phase.BUILDING, attempt=3)
    assert [group.name for group in attempts.groups_of(one)] == [attempts.group_of(one)]
    assert attempts.groups_of(replace(one, phase=Phase.PUBLISHING)) == ()


def test_a_creation_may_take_longer_than_its_one_call_to_azure() -> None:
    assert timedelta(seconds=5 + 30) < attempts.CREATION


def test_each_attempt_to_build_has_a_managed_image_of_its_own() -> None:
    one = make.build(id=BUILD, phase=Phase.BUILDING, attempt=1)
    names = {attempts.managed_image_of(one, number) for number in (1, 2)}
    assert len(names) == 2
    assert (
        attempts.managed_image_of(one, one.attempt) == f"if-image-{attempts.group_of(one).rpartition('-')[2]}"
    )
