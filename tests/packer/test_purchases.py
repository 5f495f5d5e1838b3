"""What a subscription demands, with the real Packer: the plan of an image, its terms, a required tag, a disk's size."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline_core.domain.errors import ErrorClass
from pipeline_core.wire.job import BuildJob, MarketplaceImage
from tests.packer.workbench import Workbench
from tests.unit.builder import samples

PLAN = samples.PLAN
BYOS = MarketplaceImage(publisher="RedHat", offer="rhel-byos", sku="rhel-lvm9-gen2", version="9.6.2025112113")
PLUGINS = {
    "PlanInfo": PLAN.name,
    "PlanProduct": PLAN.product,
    "PlanPublisher": PLAN.publisher,
    "PlanPromotionCode": "",
}


def _verify(bench: Workbench, built: BuildJob, **changes: object) -> BuildJob:
    """The verify stage of the version that `built` has made."""
    job = samples.verify_job().model_copy(
        update={
            "build": built.build,
            "image": built.image,
            "source": built.destination,
            "destination": built.destination,
            "placement": built.placement.model_copy(
                update={"security_type": "TrustedLaunch", "managed_image": ""}
            ),
            "tags": {**built.tags, "imagefactory-stage": "verify"},
        }
    )
    return job.model_copy(update=changes)


def test_an_image_with_a_plan_is_built_and_its_version_boots_with_the_plan_alone(
    bench: Workbench, tmp_path: Path
) -> None:
    job = bench.root_job(source=BYOS, plan=PLAN)
    outcome = bench.run(job, tmp_path / "build")
    assert outcome.run.succeeded, outcome.text
    assert bench.cloud.version(job.destination)["tags"] == job.tags | PLUGINS
    verified = bench.run(_verify(bench, job, plan=PLAN), tmp_path / "verify")
    assert verified.run.succeeded, verified.text
    without = _verify(bench, job, attempt=2)
    refused = bench.run(without, tmp_path / "without")
    assert "VMMarketplaceInvalidInput" in refused.text
    assert not refused.run.succeeded


def test_without_the_plan_nothing_is_built(bench: Workbench, tmp_path: Path) -> None:
    job = bench.root_job(source=BYOS)
    outcome = bench.run(job, tmp_path / "work")
    assert not outcome.run.succeeded
    assert "requires Plan information in the request" in outcome.text
    assert bench.cloud.versions(job.destination) == []


def test_terms_that_nobody_has_accepted_have_a_class_of_their_own(bench: Workbench, tmp_path: Path) -> None:
    plan = {"publisher": PLAN.publisher, "product": PLAN.product, "name": PLAN.name}
    bench.arm.ask("POST", "marketplace-terms", {**plan, "accepted": False})
    try:
        job = bench.root_job(source=BYOS, plan=PLAN)
        outcome = bench.run(job, tmp_path / "work")
    finally:
        bench.arm.ask("POST", "marketplace-terms", {**plan, "accepted": True})
    failed = outcome.failed(job)
    assert failed.error_class is ErrorClass.TERMS
    assert "az vm image terms accept" in failed.message
    assert bench.left_over(job) == []


@pytest.fixture
def tag_policy(bench: Workbench) -> Iterator[Callable[[], None]]:
    """Demands the tag `cost-centre` of every resource until the test ends."""
    yield lambda: bench.arm.ask("POST", "tag-policy", {"tag": "cost-centre"})
    bench.arm.ask("POST", "tag-policy", {"tag": ""})


def test_a_build_passes_a_policy_with_the_tag_that_it_demands_and_not_without(
    bench: Workbench, tag_policy: Callable[[], None], tmp_path: Path
) -> None:
    plain, tagged = bench.root_job(), bench.root_job()
    tagged = tagged.model_copy(update={"tags": tagged.tags | {"cost-centre": "4711 & Söhne"}})
    tag_policy()
    refused = bench.run(plain, tmp_path / "without")
    assert refused.failed(plain).error_class is ErrorClass.AZURE_POLICY
    outcome = bench.run(tagged, tmp_path / "with")
    assert outcome.run.succeeded, outcome.text
    assert bench.cloud.version(tagged.destination)["tags"] == tagged.tags


def test_a_larger_disk_is_the_versions_and_a_smaller_one_is_refused(bench: Workbench, tmp_path: Path) -> None:
    job = bench.root_job()
    larger = job.model_copy(update={"placement": job.placement.model_copy(update={"os_disk_gb": 128})})
    outcome = bench.run(larger, tmp_path / "larger")
    assert outcome.run.succeeded, outcome.text
    storage = bench.cloud.version(job.destination)["properties"]["storageProfile"]
    assert storage["osDiskImage"]["sizeInGB"] == 128
    other = bench.root_job()
    smaller = other.model_copy(update={"placement": other.placement.model_copy(update={"os_disk_gb": 63})})
    refused = bench.run(smaller, tmp_path / "smaller")
    assert "63 GB is smaller than the size of the corresponding disk" in refused.text
    assert bench.left_over(smaller) == []
