"""Image definitions that fit, and the managed image between machine and version: made, looked at, removed."""

from dataclasses import dataclass, field, replace
from typing import Any, cast

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.captures import Capture
from pipeline_core.domain.definitions import SecurityType
from pipeline_core.domain.errors import ErrorClass, PermanentError, TransientError
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.ports import Galleries, TaggedResource
from pipeline_core.wire.job import BuildJob
from pipeline_core.wiring.foundation import foundation_of
from simulation.platform import MANAGED_IMAGE
from simulation.world import SimulatedWorld
from tests.unit.services import scenes

BASE, LIVE, QUARANTINE = ImageName("rhel9-base"), GalleryName("live"), GalleryName("quarantine")
STANDARD = SecurityType.STANDARD
TRUSTED = SecurityType.TRUSTED_LAUNCH
SUPPORTED = SecurityType.TRUSTED_LAUNCH_SUPPORTED


def jobs(made: SimulatedWorld) -> dict[str, BuildJob]:
    """The jobs that were started, by stage."""
    found = [
        BuildJob.model_validate_json(made.ports.blobs.read("jobs", each.name, limit=10**6))
        for each in made.ports.blobs.list("jobs", "", limit=1000)
    ]
    return {job.stage: job for job in found}


def types(made: SimulatedWorld) -> list[Any]:
    """The security types of the quarantined and of the live image definition."""
    found = [made.ports.galleries.find_image(gallery, BASE) for gallery in (QUARANTINE, LIVE)]
    return [each and each.security_type for each in found]


def managed_images(made: SimulatedWorld) -> list[str]:
    listed = made.ports.resources.list_build_resources()
    return [each.id for each in listed if each.type == MANAGED_IMAGE]


def machines(made: SimulatedWorld) -> list[tuple[str, bool]]:
    """Security type of the machine of each stage, and whether a managed image is made of it."""
    found = jobs(made)
    return [
        (found[stage].placement.security_type, bool(found[stage].placement.managed_image))
        for stage in ("build", "verify")
    ]


def test_by_default_only_documented_ways_are_used() -> None:
    made = scenes.registered({"rhel9-base": None})
    made.settle()
    assert types(made) == [SUPPORTED, SUPPORTED]
    assert machines(made) == [("Standard", True), ("TrustedLaunch", False)]


def by_machine(made: SimulatedWorld) -> None:
    """Choose the capture of the machine for new images."""
    deployment = replace(scenes.deployment_of(made), capture=Capture.MACHINE)
    made.rewire(foundation_of(scenes.ports_of(made), deployment, scenes.LIMITS))


def test_a_setting_captures_a_trusted_launch_machine_of_a_new_image() -> None:
    made = scenes.registered({"rhel9-base": None})
    by_machine(made)
    made.settle()
    assert made.versions()["rhel9-base"]
    assert types(made) == [TRUSTED, TRUSTED]
    assert machines(made) == [("TrustedLaunch", False), ("TrustedLaunch", False)]


def test_the_setting_changes_nothing_for_an_image_that_has_its_definition() -> None:
    made = scenes.settled({"rhel9-base": None})
    before = made.versions()["rhel9-base"]
    by_machine(made)
    scenes.released(made)
    made.settle()
    assert made.versions()["rhel9-base"] != before
    assert types(made) == [SUPPORTED, SUPPORTED]


def _change_quarantine(made: SimulatedWorld, security: SecurityType) -> None:
    made.ports.galleries.change_security_type(QUARANTINE, BASE, security)


def test_a_quarantined_definition_of_another_type_fails_the_build_before_its_container() -> None:
    made = scenes.settled({"rhel9-base": None})
    before = made.versions()["rhel9-base"]
    _change_quarantine(made, STANDARD)
    scenes.released(made)
    made.settle()
    newest = next(each for each in scenes.builds(made, BASE) if each.failure is not None)
    assert newest.failure is not None
    assert "image definition rhel9-base in quarantine does not fit" in newest.failure.message
    assert "its security type is Standard, the image wants TrustedLaunch" in newest.failure.message
    assert "docs/operations.md" in newest.failure.message
    assert made.versions()["rhel9-base"] == before, "no version is lost"


def test_a_version_is_not_copied_between_definitions_of_two_types() -> None:
    made = scenes.settled({"rhel9-base": None})
    before = made.versions()["rhel9-base"]
    _change_quarantine(made, TRUSTED)
    scenes.released(made)
    made.settle()
    newest = next(each for each in scenes.builds(made, BASE) if each.failure is not None)
    assert newest.failure is not None
    assert "in live does not fit: its security type is TrustedLaunchSupported" in newest.failure.message
    assert made.versions()["rhel9-base"] == before


@dataclass(kw_only=True)
class Watched:
    """The port, with what was there before each deletion of a managed image, and the phase of the build then."""

    made: SimulatedWorld
    seen: list[tuple[bool, Phase]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made.ports.resources, name)

    def begin_delete(self, resource: TaggedResource) -> None:
        if resource.type == MANAGED_IMAGE:
            self.seen.append(
                (resource.id in managed_images(self.made), scenes.active(self.made, BASE).value.phase)
            )
        self.made.ports.resources.begin_delete(resource)


def test_the_managed_image_goes_when_its_version_is_there() -> None:
    made = scenes.registered({"rhel9-base": None})
    watched = Watched(made=made)
    scenes.rewired(made, resources=watched)
    made.settle()
    assert made.versions()["rhel9-base"]
    assert watched.seen == [(True, Phase.VERIFYING)]


def test_a_managed_image_that_could_not_be_deleted_goes_with_the_build() -> None:
    made = scenes.registered({"rhel9-base": None})
    error = TransientError(ErrorClass.NETWORK, "no answer")
    scenes.rewired(
        made, resources=scenes.Failing(inner=made.ports.resources, name="begin_delete", errors=[error])
    )
    made.settle()
    assert made.versions()["rhel9-base"]
    assert scenes.logged(made, "managed-image-kept", image="rhel9-base")
    assert managed_images(made) == []


def test_the_first_refused_copy_of_the_undocumented_way_names_the_setting() -> None:
    made = scenes.registered({"rhel9-base": None})
    error = PermanentError(ErrorClass.TEMPLATE, "copy rhel9-base: 400 InvalidParameter: not supported")
    failing = scenes.Failing(inner=made.ports.galleries, name="begin_copy", errors=[error])
    deployment = replace(scenes.deployment_of(made), capture=Capture.MACHINE)
    made.rewire(
        foundation_of(
            replace(scenes.ports_of(made), galleries=cast(Galleries, failing)), deployment, scenes.LIMITS
        )
    )
    made.settle()
    failed = next(each for each in scenes.builds(made, BASE) if each.failure is not None)
    assert failed.failure is not None
    assert failed.failure.message.startswith("whether Azure copies versions of a TrustedLaunch")
    assert "FACTORY_TRUSTED_LAUNCH_CAPTURE=managed-image" in failed.failure.message


def test_a_copy_that_fails_three_times_names_it_too() -> None:
    made = scenes.registered({"rhel9-base": None})
    by_machine(made)
    made.ports.galleries.fails_with = "the source is not supported"
    made.settle()
    failed = next(each for each in scenes.builds(made, BASE) if each.failure is not None)
    assert failed.failure is not None
    assert failed.failure.message.startswith("whether Azure copies versions of a TrustedLaunch")
    assert "the source is not supported" in failed.failure.message
