"""A plan reaches every machine and both image definitions, of the base and of everything that is built from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest

from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.definitions import Generation
from pipeline_core.domain.errors import ErrorClass, ErrorScope, PermanentError, ScopeKind
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.source_images import SourceImage
from pipeline_core.domain.sources import PurchasePlan
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.services.versions.purchases import Purchases
from pipeline_core.wire.job import JOB_LIMIT, BuildJob, Plan
from simulation import fleet, world
from simulation.world import LIVE, QUARANTINE, SOURCE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
SOLD = PurchasePlan(publisher="redhat", name="rhel-lvm9-gen2", product="rhel-byos")
VERSION = MarketplaceVersion.parse("9.6.2025112113")  # the newest in a new world
NEXT = MarketplaceVersion.parse(scenes.NEXT_RELEASE)


@dataclass(frozen=True, slots=True)
class _Refusing:
    error_class: ErrorClass

    def get_image(self, *_asked: object) -> SourceImage:
        raise PermanentError(self.error_class, "refused")


def _sold(
    made: SimulatedWorld, version: MarketplaceVersion = VERSION, plan: PurchasePlan | None = SOLD
) -> None:
    made.ports.marketplace.describe(SOURCE, SourceImage(version=version, plan=plan))


def _jobs(made: SimulatedWorld) -> Iterator[BuildJob]:
    for blob in made.ports.blobs.list("jobs", ""):
        content = made.ports.blobs.read("jobs", blob.name, limit=JOB_LIMIT)
        yield BuildJob.from_wire(content, digest=blob.name.removesuffix(".json"))


def _failed(made: SimulatedWorld, image: ImageName) -> Build:
    build = next(each for each in scenes.builds(made, image) if each.result is Result.FAILED)
    assert build.failure is not None
    return build


def test_the_plan_reaches_both_stages_of_a_base_and_of_its_child() -> None:
    made = scenes.registered(TWO)
    _sold(made)
    made.drain()
    assert all(made.versions().values())
    plans = {(job.image, job.stage): job.plan for job in _jobs(made)}
    assert plans == {
        (image, stage): Plan.of(SOLD)
        for image in ("rhel9-base", "rhel9-java")
        for stage in ("build", "verify")
    }


@pytest.mark.parametrize("gallery", [QUARANTINE, LIVE])
@pytest.mark.parametrize("image", [BASE, JAVA])
def test_every_image_definition_has_the_plan(gallery: object, image: ImageName) -> None:
    made = scenes.registered(TWO)
    _sold(made)
    made.drain()
    traits = made.ports.galleries.find_image(QUARANTINE if gallery == QUARANTINE else LIVE, image)
    assert traits is not None
    assert traits.plan == SOLD


def test_an_image_without_a_plan_has_none_anywhere() -> None:
    made = scenes.settled(TWO)
    assert {job.plan for job in _jobs(made)} == {None}
    assert made.ports.galleries.find_image(LIVE, BASE) is not None


def test_a_release_that_is_sold_with_another_plan_is_refused_before_a_machine_is_started() -> None:
    made = scenes.settled({"rhel9-base": None})
    before = len([*_jobs(made)])
    _sold(made, NEXT)
    made.factory.poller.poll()
    made.drain()
    build = _failed(made, BASE)
    assert build.failure is not None
    assert build.failure.error_class is ErrorClass.TEMPLATE
    assert "was made without a plan" in build.failure.message
    assert "register the image under a new name" in build.failure.message
    assert len([*_jobs(made)]) == before
    assert scenes.head(made, BASE).current is not None  # what is published stays


def test_a_release_of_another_generation_is_refused_at_the_build_too() -> None:
    made = scenes.settled({"rhel9-base": None})
    made.ports.marketplace.describe(SOURCE, SourceImage(version=NEXT, generation=Generation.V1))
    made.factory.poller.poll()
    made.drain()
    build = _failed(made, BASE)
    assert build.failure is not None
    assert "spec.os.generation is V2" in build.failure.message


def test_a_marketplace_that_does_not_answer_delays_a_build_and_does_not_end_it() -> None:
    made = scenes.registered({"rhel9-base": None})
    errors: list[Exception] = [scenes.transient(), scenes.transient()]
    market = scenes.Failing(inner=made.ports.marketplace, name="get_image", errors=errors)
    scenes.rewired(made, marketplace=market)
    made.drain()
    assert not errors
    assert all(made.versions().values())


def test_the_plan_is_not_part_of_the_fingerprint() -> None:
    plain, sold = scenes.registered({"rhel9-base": None}), scenes.registered({"rhel9-base": None})
    _sold(sold)
    plain.drain()
    sold.drain()
    assert scenes.builds(plain, BASE)[0].fingerprint == scenes.builds(sold, BASE)[0].fingerprint


def _disks(made: SimulatedWorld) -> dict[tuple[str, str], set[int | None]]:
    found: dict[tuple[str, str], set[int | None]] = {}
    for job in _jobs(made):
        found.setdefault((job.image, job.stage), set()).add(job.placement.os_disk_gb)
    return found


def _register(made: SimulatedWorld, name: str, parent: str | None, size: int | None) -> None:
    document = fleet.document(name, parent)
    if size is not None:
        document["spec"]["build"]["osDiskSizeGb"] = size
    image = ImageName(name)
    known = made.base.records.images.find_head(image)
    made.factory.registrar.register(
        image,
        document,
        world.upload(made, "content"),
        scenes.ADMIN,
        expected=None if known is None else known.value.document_etag,
        create_only=known is None,
    )
    made.registered.add(image)


def test_a_larger_disk_is_the_build_machines_and_the_verify_machine_takes_the_versions() -> None:
    made = scenes.registered({})
    _register(made, "rhel9-base", None, 128)
    _register(made, "rhel9-java", "rhel9-base", None)
    made.drain()
    assert _disks(made) == {
        ("rhel9-base", "build"): {128},
        ("rhel9-base", "verify"): {None},
        ("rhel9-java", "build"): {None},
        ("rhel9-java", "verify"): {None},
    }


def test_another_size_builds_the_image_anew() -> None:
    made = scenes.settled({"rhel9-base": None})
    before = scenes.head(made, BASE).current
    _register(made, "rhel9-base", None, 128)
    made.drain()
    after = scenes.head(made, BASE).current
    assert before is not None
    assert after is not None
    assert after.version > before.version


def test_a_parent_that_grew_beyond_its_child_decides() -> None:
    made = scenes.registered({})
    _register(made, "rhel9-base", None, 64)
    _register(made, "rhel9-java", "rhel9-base", 100)
    made.drain()
    assert _disks(made)["rhel9-java", "build"] == {100}
    _register(made, "rhel9-base", None, 128)
    made.drain()
    assert all(made.versions().values())
    assert _disks(made)["rhel9-java", "build"] == {100, None}


@pytest.mark.parametrize("error_class", [ErrorClass.NOT_FOUND, ErrorClass.TERMS, ErrorClass.QUOTA])
def test_an_answer_of_the_marketplace_about_one_source_names_it(error_class: ErrorClass) -> None:
    """Else one source that is gone would hold back the builds of every other in the region."""
    made = scenes.registered({"rhel9-base": None})
    scenes.look(made, BASE)
    build = scenes.active(made, BASE).value
    purchases = Purchases(
        marketplace=cast(Any, _Refusing(error_class)),
        galleries=made.ports.galleries,
        deployment=cast(Any, None),
    )
    with pytest.raises(PermanentError) as refused:
        purchases.traits_to_build(build, cast(Any, None), QUARANTINE)
    is_of_source = error_class is not ErrorClass.QUOTA
    assert refused.value.scope == (
        ErrorScope(kind=ScopeKind.SOURCE, name=SOURCE.key) if is_of_source else None
    )
