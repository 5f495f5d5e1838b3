"""Register a base: its source exists, fits and has a plan, or the refusal names what would. A fault refuses nothing."""

from typing import Any

import pytest

from pipeline_core.domain.definitions import Architecture, Generation
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, TransientError
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.source_images import SourceImage
from pipeline_core.domain.sources import MarketplaceSource, PurchasePlan
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.services.images.register import Registered
from pipeline_core.wire.problems import InvalidDocument, Problem
from simulation import fleet, world
from simulation.world import ADMIN, SOURCE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

VERSION = MarketplaceVersion.parse("9.4.2024061212")
PLAN = PurchasePlan(publisher="redhat", name="rhel-lvm9-gen2", product="rhel-byos")
NAMED = {"publisher": "redhat", "name": "rhel-lvm9-gen2", "product": "rhel-byos"}


def _source(sku: str, offer: str = "RHEL") -> MarketplaceSource:
    return MarketplaceSource(publisher="RedHat", offer=offer, sku=sku, location=SOURCE.location)


OLD, NEW, ARM = _source("9_4"), _source("94-gen2"), _source("9_4-arm64", "rhel-arm64")
BYOS = _source("rhel-lvm9-gen2", "rhel-byos")


def _world() -> SimulatedWorld:
    made = scenes.registered({})
    market = made.ports.marketplace
    market.describe(OLD, SourceImage(version=VERSION, generation=Generation.V1))
    market.describe(NEW, SourceImage(version=VERSION))
    market.describe(ARM, SourceImage(version=VERSION, architecture=Architecture.ARM64))
    market.describe(BYOS, SourceImage(version=VERSION, plan=PLAN))
    return made


def _document(source: MarketplaceSource, **changes: Any) -> dict[str, Any]:
    document = fleet.document("rhel9-base", None)
    origin = {"publisher": source.publisher, "offer": source.offer, "sku": source.sku}
    document["spec"] |= {"marketplace": origin | changes.pop("origin", {}), **changes}
    return document


def _put(made: SimulatedWorld, document: dict[str, Any]) -> Registered:
    name = ImageName(document["metadata"]["name"])
    known = made.base.records.images.find_head(name)
    return made.factory.registrar.register(
        name,
        document,
        world.upload(made, "content"),
        ADMIN,
        expected=None if known is None else known.value.document_etag,
        create_only=known is None,
    )


def _refused(made: SimulatedWorld, document: dict[str, Any]) -> Problem:
    with pytest.raises(InvalidDocument) as refused:
        _put(made, document)
    (problem,) = refused.value.problems
    return problem


def test_a_sku_of_another_generation_is_refused_with_the_one_that_fits() -> None:
    problem = _refused(_world(), _document(OLD))
    assert problem.path == "spec.marketplace.sku"
    assert "generation is V1, but spec.os.generation is V2" in problem.message
    assert "use the SKU '94-gen2'" in problem.remedy


def test_the_same_sku_is_good_for_a_v1_image() -> None:
    made = _world()
    answer = _put(made, _document(OLD, os={"generation": "V1", "securityType": "Standard"}))
    assert answer.created
    assert answer.notes == ()


def test_a_sku_of_another_architecture_is_refused() -> None:
    problem = _refused(_world(), _document(ARM))
    assert "architecture is Arm64" in problem.message
    assert "set spec.os.architecture: Arm64" in problem.remedy


@pytest.mark.parametrize(
    ("origin", "path", "near"),
    [
        ({"sku": "94_gen2"}, "spec.marketplace.sku", "94-gen2"),
        ({"offer": "RHELL"}, "spec.marketplace.offer", "RHEL"),
        ({"publisher": "RedHatt"}, "spec.marketplace.publisher", "RedHat"),
        ({"sku": "zzz"}, "spec.marketplace.sku", "az vm image list-skus"),
    ],
)
def test_a_source_that_does_not_exist_is_refused_with_the_nearest_names(
    origin: dict[str, str], path: str, near: str
) -> None:
    problem = _refused(_world(), _document(NEW, origin=origin))
    assert problem.path == path
    assert "does not know in westeurope" in problem.message
    assert near in problem.remedy


def test_names_have_no_case_and_a_list_that_knows_the_name_is_not_contradicted() -> None:
    made = _world()
    assert _put(made, _document(_source("94-GEN2"))).created
    missing = scenes.Failing(
        inner=made.ports.marketplace, name="list_versions", errors=[_not_found() for _ in range(2)]
    )
    scenes.rewired(made, marketplace=missing)
    with pytest.raises(InvalidDocument) as refused:
        _put(made, _document(OLD))
    assert [each.path for each in refused.value.problems] == ["spec.marketplace"]


def test_a_source_that_is_sold_with_a_plan_says_whose_terms_to_accept() -> None:
    answer = _put(_world(), _document(BYOS))
    (note,) = [each for each in answer.notes if "terms" in each]
    assert str(PLAN) in note
    assert "az vm image terms accept --urn RedHat:rhel-byos:rhel-lvm9-gen2:9.4.2024061212" in note


def test_a_plan_of_the_document_must_be_the_marketplaces() -> None:
    made = _world()
    problem = _refused(made, _document(NEW, origin={"plan": NAMED}))
    assert problem.path == "spec.marketplace.plan"
    assert "sold without a plan" in problem.message
    assert _put(made, _document(BYOS, origin={"plan": NAMED})).created


def test_an_image_that_exists_keeps_its_plan() -> None:
    made = _world()
    made.register("rhel9-base", None)
    made.drain()
    problem = _refused(made, _document(BYOS))
    assert problem.path == "spec.marketplace"
    assert "was made without a plan" in problem.message
    assert "new name" in problem.remedy


def test_a_child_cannot_move_to_a_parent_with_another_plan() -> None:
    made = _world()
    made.register("rhel9-base", None)
    made.register("rhel9-java", "rhel9-base")
    byos = _document(BYOS)
    byos["metadata"]["name"] = "rhel9-byos"
    _put(made, byos)
    made.drain()
    problem = _refused(made, fleet.document("rhel9-java", "rhel9-byos"))
    assert problem.path == "spec.parent.image"
    assert f"with the plan {PLAN}" in problem.message


@pytest.mark.parametrize(("wanted", "good"), [(63, False), (64, True), (128, True)])
def test_a_disk_below_that_of_the_source_is_refused(wanted: int, good: bool) -> None:
    made = _world()
    made.ports.marketplace.describe(NEW, SourceImage(version=VERSION, disk_gb=64))
    document = _document(NEW)
    document["spec"]["build"]["osDiskSizeGb"] = wanted
    if good:
        assert _put(made, document).created
    else:
        problem = _refused(made, document)
        assert problem.path == "spec.build.osDiskSizeGb"
        assert "give 64 or more" in problem.remedy


def test_a_child_asks_for_no_less_than_its_parent_has() -> None:
    made = _world()
    base = _document(NEW)
    base["spec"]["build"]["osDiskSizeGb"] = 128
    child = fleet.document("rhel9-java", "rhel9-base")
    child["spec"]["build"]["osDiskSizeGb"] = 100
    _put(made, base)
    assert _put(made, child).created  # nothing is published yet, so nothing can be compared
    made.drain()
    problem = _refused(made, child)
    assert problem.path == "spec.build.osDiskSizeGb"
    assert "the disk of rhel9-base@" in problem.message
    child["spec"]["build"]["osDiskSizeGb"] = 256
    assert _put(made, child).notes == ()


def test_a_source_without_a_version_is_accepted_with_a_note() -> None:
    made = _world()
    empty = _source("97-gen2")
    made.ports.marketplace.publish(empty)
    assert "lists no version" in _put(made, _document(empty)).notes[0]


@pytest.mark.parametrize("call", ["list_versions", "get_image"])
@pytest.mark.parametrize(
    "error",
    [
        TransientError(ErrorClass.NETWORK, "no answer"),
        PermanentError(ErrorClass.PERMISSION, "the role is missing"),
    ],
)
def test_a_marketplace_that_does_not_answer_refuses_nothing_and_the_build_asks_again(
    call: str, error: Exception
) -> None:
    made = _world()
    scenes.rewired(made, marketplace=scenes.Failing(inner=made.ports.marketplace, name=call, errors=[error]))
    answer = _put(made, _document(OLD))
    assert "was not checked" in answer.notes[0]
    assert str(error) in answer.notes[0]
    assert scenes.logged(made, "source-not-checked", image="rhel9-base")
    made.factory.poller.poll()
    made.drain()
    build = scenes.builds(made, BASE)[-1]
    assert build.failure is not None
    assert build.failure.error_class is ErrorClass.TEMPLATE
    assert "spec.os.generation is V2" in build.failure.message
    assert not list(made.ports.blobs.list("jobs", ""))  # no machine was started for it


def _not_found() -> NotFound:
    return NotFound("the Marketplace has no such image")
