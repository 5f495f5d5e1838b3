"""A quarantined version is published only if the build's own attempt has made it: its tags and its source say so.

Every builder has the same identity, so one that has left Packer could write the version of another build first.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import attempts
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import ErrorClass, Owner
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import GalleryImageVersion
from simulation import fleet, world
from simulation.world import ADMIN, QUARANTINE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.builds import copying
from tests.unit.services.scenes import BASE

GROUP = "/subscriptions/{place.subscription_id}/resourceGroups/{place.build_resource_group}/providers/Microsoft.Compute"


def _proven() -> tuple[SimulatedWorld, Build, GalleryImageVersion]:
    """A world whose one build is verified now, and its quarantined version."""
    made = scenes.registered({"rhel9-base": None})
    build = scenes.in_phase(made, BASE, Phase.VERIFYING)
    assert build.version is not None
    found = made.ports.galleries.find_version(QUARANTINE, BASE, build.version)
    assert found is not None
    return made, build, found


def _is_published(made: SimulatedWorld, build: Build) -> bool:
    assert build.version is not None
    scenes.until(made, lambda: scenes.stored(made, build.id).value.is_finished)
    return copying.live(made, build.version) is not None


def _source(made: SimulatedWorld, kind_and_name: str) -> str:
    return f"{GROUP.format(place=scenes.deployment_of(made))}/{kind_and_name}"


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (attempts.BUILD_TAG, "payments-api.3fa9c1d20b77.1"),
        (attempts.BUILD_TAG, None),
        (attempts.ATTEMPT_TAG, "2"),
        (attempts.STAGE_TAG, "verify"),
        (attempts.IMAGE_TAG, "payments-api"),
    ],
)
def test_a_version_with_tags_of_another_attempt_is_not_published(tag: str, value: str | None) -> None:
    made, build, found = _proven()
    tags = {name: kept for name, kept in found.tags.items() if name != tag} | ({tag: value} if value else {})
    made.ports.galleries.add_version(replace(found, tags=tags))
    assert not _is_published(made, build)
    after = copying.after(made, build)
    assert (after.phase, after.result) == (Phase.FINISHED, Result.FAILED)
    assert after.failure is not None
    assert (after.failure.error_class, after.failure.who) == (ErrorClass.PROVENANCE, Owner.PLATFORM)
    assert f"its tag {tag} is" in after.failure.message


@pytest.mark.parametrize(
    "source",
    [
        "live/payments-api@1.20261121.1",
        "/subscriptions/other/resourceGroups/rg-build/providers/Microsoft.Compute/virtualMachines/pkrvm1",
        "images/if-image-0123456789abcdef01234567",
    ],
    ids=["another image", "another subscription", "the managed image of another attempt"],
)
def test_a_version_from_another_source_is_not_published(source: str) -> None:
    made, build, found = _proven()
    source = _source(made, source) if source.startswith("images/") else source
    made.ports.galleries.add_version(replace(found, copied_from=source))
    assert not _is_published(made, build)
    after = copying.after(made, build)
    assert after.failure is not None
    assert f"it was made from {source}" in after.failure.message


def test_foreign_versions_of_two_teams_are_not_an_outage_of_the_platform() -> None:
    made = scenes.registered({})
    teams = {ImageName("payments-api"): "payments", ImageName("search-api"): "search"}
    digest = world.upload(made, "content")
    for image, team in teams.items():
        document = fleet.document(str(image), None, team=team)
        made.factory.registrar.register(image, document, digest, ADMIN, expected=None, create_only=True)
        made.registered.add(image)
    builds = [scenes.in_phase(made, image, Phase.VERIFYING) for image in teams]
    for build in builds:
        assert build.version is not None
        found = made.ports.galleries.find_version(QUARANTINE, build.image, build.version)
        assert found is not None
        made.ports.galleries.add_version(replace(found, tags={**found.tags, attempts.ATTEMPT_TAG: "7"}))
    began = made.ports.clock.now()
    scenes.until(made, lambda: all(copying.after(made, build).is_finished for build in builds))
    assert made.ports.clock.now() - began < timedelta(minutes=10)  # in the window of one wide outage
    for build in builds:
        ended = copying.after(made, build)
        assert (ended.result, str(ended.team)) == (Result.FAILED, teams[build.image])
        assert ended.failure is not None
        assert f"its tag {attempts.ATTEMPT_TAG} is '7'" in ended.failure.message
        assert "find out who made it, then rebuild" in ended.failure.message
    assert made.base.records.breakers.list() == []


@pytest.mark.parametrize("kind", ["machine", "image", ""])
def test_the_version_of_the_attempt_is_published(kind: str) -> None:
    made, build, found = _proven()
    own = {
        "machine": _source(made, "virtualMachines/pkrvm0abc").upper(),  # Azure keeps no case of its ids
        "image": _source(made, f"images/{attempts.managed_image_of(build, build.build_attempt)}"),
        "": "",  # Azure does not say
    }
    made.ports.galleries.add_version(replace(found, copied_from=own[kind]))
    assert _is_published(made, build)


def test_a_late_version_of_another_source_is_not_taken_up() -> None:
    made, build, found = _proven()
    earlier = replace(build, attempt=build.build_attempt)
    captures = made.parts.builds.containers.launcher.captures
    assert captures.find_made(earlier) is not None
    made.ports.galleries.add_version(replace(found, copied_from="live/payments-api@1.20261121.1"))
    assert captures.find_made(earlier) is None
