"""Does a definition fit the Marketplace image that it names, and which name may a person have meant."""

from dataclasses import replace

import pytest

from pipeline_core.domain import source_images
from pipeline_core.domain.definitions import Architecture, Generation, ImageDefinition, OsTraits, SecurityType
from pipeline_core.domain.names import Region
from pipeline_core.domain.source_images import PlanChange, SourceImage
from pipeline_core.domain.sources import MarketplaceSource, PurchasePlan
from pipeline_core.domain.versions import MarketplaceVersion
from tests.unit.domain.test_fingerprint import DEFINITION

SOURCE = MarketplaceSource(publisher="RedHat", offer="RHEL", sku="9_4", location=Region("westeurope"))
PLAN = PurchasePlan(publisher="redhat", name="rhel-lvm9-gen2", product="rhel-byos")
TRUSTED = (("IsAcceleratedNetworkSupported", "True"), ("SecurityType", "TrustedLaunchSupported"))
IMAGE = SourceImage(version=MarketplaceVersion.parse("9.4.2024061212"), features=TRUSTED)
OLD = replace(IMAGE, generation=Generation.V1, features=())
STANDARD = OsTraits(security_type=SecurityType.STANDARD)


def _definition(
    os: OsTraits = OsTraits(), plan: PurchasePlan | None = None, disk: int | None = None
) -> ImageDefinition:
    made = DEFINITION
    return replace(made, os=os, plan=plan, build=replace(made.build, os_disk_gb=disk))


def _misfits(
    image: SourceImage,
    os: OsTraits = OsTraits(),
    *,
    plan: PurchasePlan | None = None,
    disk: int | None = None,
    fitting: str = "",
) -> list[str]:
    wanted = _definition(os, plan, disk)
    return [str(each) for each in source_images.misfits(SOURCE, image, wanted, fitting=fitting)]


def test_an_image_that_fits_gives_no_reason() -> None:
    assert _misfits(IMAGE) == []
    assert _misfits(replace(IMAGE, plan=PLAN), plan=PLAN) == []
    assert _misfits(replace(IMAGE, plan=PLAN)) == []  # the document need not name it


def test_another_generation_is_named_with_the_sku_that_fits() -> None:
    (said,) = _misfits(OLD, fitting="94-gen2")
    assert "spec.marketplace.sku is '9_4', whose generation is V1, but spec.os.generation is V2" in said
    assert "use the SKU '94-gen2'" in said
    assert "V1 with securityType Standard" in said


def test_without_a_fitting_sku_the_remedy_says_where_to_look() -> None:
    (said,) = _misfits(OLD)
    assert "az vm image list-skus" in said
    (said,) = _misfits(IMAGE, OsTraits(generation=Generation.V1, security_type=SecurityType.STANDARD))
    assert "set spec.os.generation: V2" in said


def test_another_architecture_is_refused() -> None:
    (said,) = _misfits(replace(IMAGE, architecture=Architecture.ARM64))
    assert "architecture is Arm64" in said
    assert "set spec.os.architecture: Arm64" in said


def test_a_kind_that_is_not_known_is_no_reason_but_a_doubt() -> None:
    odd = replace(IMAGE, generation=None, architecture=None)
    assert _misfits(odd) == []
    (said,) = source_images.doubts(SOURCE, odd, OsTraits())
    assert "does not know" in said


@pytest.mark.parametrize("sold", [None, replace(PLAN, name="rhel-lvm9"), replace(PLAN, publisher="RedHat")])
def test_a_plan_that_the_marketplace_does_not_name_is_refused(sold: PurchasePlan | None) -> None:
    (said,) = _misfits(replace(IMAGE, plan=sold), plan=PLAN)
    assert said.startswith("spec.marketplace.plan is redhat:rhel-byos:rhel-lvm9-gen2")
    assert ("without a plan" in said) is (sold is None)


@pytest.mark.parametrize(
    ("image", "os", "doubtful"),
    [
        (IMAGE, OsTraits(), False),
        (replace(IMAGE, features=TRUSTED[:1]), OsTraits(), True),
        (
            replace(IMAGE, features=(("securitytype", "TrustedLaunchAndConfidentialVmSupported"),)),
            OsTraits(),
            False,
        ),
        (replace(IMAGE, features=()), STANDARD, False),
    ],
)
def test_an_image_that_does_not_say_trusted_launch_is_doubtful_only_where_it_is_wanted(
    image: SourceImage, os: OsTraits, doubtful: bool
) -> None:
    assert bool([*source_images.doubts(SOURCE, image, os)]) is doubtful


@pytest.mark.parametrize(("wanted", "size"), [(None, 64), (64, 64), (128, 64), (10, None)])
def test_a_disk_as_large_as_its_source_or_larger_is_good(wanted: int | None, size: int | None) -> None:
    assert _misfits(replace(IMAGE, disk_gb=size), disk=wanted) == []


def test_a_disk_below_its_source_is_refused_with_the_least_size() -> None:
    (said,) = _misfits(replace(IMAGE, disk_gb=64), disk=63)
    assert said.startswith(
        "spec.build.osDiskSizeGb is 63, but the disk of RedHat:RHEL:9_4:9.4.2024061212 has 64 GB"
    )
    assert "give 64 or more" in said


SKUS = ("9-lvm", "9-lvm-gen2", "9_0", "90-gen2", "9_4", "94-gen2", "10-lvm-gen2")


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("94_gen2", "94-gen2"),
        ("94-GEN2", "94-gen2"),
        ("9_5", "9_4"),
        ("9-lvm-gen3", "9-lvm-gen2"),
        ("zzz", None),
    ],
)
def test_the_nearest_names_come_first(name: str, first: str | None) -> None:
    found = source_images.nearest_names(name, SKUS)
    assert len(found) <= 3
    assert (found[0] if found else None) == first


def test_a_sister_has_the_same_release_and_another_kind() -> None:
    assert list(source_images.sister_skus("9_4", SKUS)) == ["94-gen2"]
    assert list(source_images.sister_skus("9-lvm-gen2", SKUS)) == ["9-lvm"]
    assert list(source_images.sister_skus("9_4-arm64", SKUS)) == ["94-gen2", "9_4"]


def test_a_change_of_plan_says_both_plans() -> None:
    change = PlanChange(kept=None, sold=PLAN)
    assert "is sold with the plan redhat:rhel-byos:rhel-lvm9-gen2" in change.message
    assert "was made without a plan" in change.message
    assert "new name" in change.remedy
