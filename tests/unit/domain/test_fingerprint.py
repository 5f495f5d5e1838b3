"""The fingerprint: equal inputs give one, and any change of any input gives another."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain.definitions import (
    AnsibleStep,
    BuildRecipe,
    ComplianceTarget,
    FileStep,
    Hardening,
    ImageDefinition,
    OsTraits,
    Publication,
    RebuildRules,
    Retention,
    SecurityType,
    ServedPort,
    ServedWhen,
    ShellStep,
    TargetRegion,
    Verification,
    Volume,
)
from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.fingerprint import BuildInputs, fingerprint, refresh_period
from pipeline_core.domain.names import ImageName, RebuildToken, Region
from pipeline_core.domain.recipe import recipe_digest
from pipeline_core.domain.sources import MarketplaceSource, ParentVersion, PurchasePlan, SourceVersion
from pipeline_core.domain.versions import GalleryVersion
from tests.unit.domain import factories as make

INPUTS = BuildInputs(
    image=make.BASE,
    recipe=make.digest("1"),
    bundle=make.digest("2"),
    origin=SourceVersion(source=make.SOURCE, version=make.OLD),
    platform=make.digest("3"),
    catalog=(("a", "1", "x"), ("b", "2", "y")),
    period=1,
    token=RebuildToken("t"),
)
CHANGES: dict[str, object] = {
    "image": make.CHILD,
    "recipe": make.digest("9"),
    "bundle": make.digest("9"),
    "origin": ParentVersion(image=make.BASE, version=GalleryVersion(9, 20261121, 1)),
    "platform": make.digest("9"),
    "catalog": (("a", "1", "x"),),
    "period": 2,
    "token": None,
}


def test_the_order_of_catalog_entries_does_not_enter() -> None:
    assert fingerprint(INPUTS) == fingerprint(replace(INPUTS, catalog=INPUTS.catalog[::-1]))


@pytest.mark.parametrize("field", [field.name for field in fields(BuildInputs)])
def test_any_changed_input_changes_the_fingerprint(field: str) -> None:
    changed = replace(INPUTS, **{field: CHANGES[field]})  # type: ignore[arg-type]  # one case per field
    assert fingerprint(changed) != fingerprint(INPUTS)


def test_the_fingerprint_of_known_inputs_never_changes_between_releases() -> None:
    assert str(fingerprint(INPUTS)) == "1e73d442a9ca52f6bd70577e5d9ae7dac018708d92d07a379a67ebf141243216"


ROOTS = st.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True).map(ImageName)
TIMES = st.integers(1_577_836_800, 2_840_140_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
AGES = st.integers(1, 400).map(lambda days: timedelta(days=days))


def test_without_a_maximum_age_there_is_one_period() -> None:
    assert refresh_period(make.BASE, make.NOW, None) == 0


@given(ROOTS, TIMES, AGES)
def test_a_period_ends_once_per_maximum_age(root: ImageName, now: datetime, age: timedelta) -> None:
    began = refresh_period(root, now, age)
    assert refresh_period(root, now + age, age) == began + age.total_seconds()
    assert began <= now.timestamp() < began + age.total_seconds()


@given(ROOTS, TIMES, AGES, AGES)
def test_another_maximum_age_delays_the_next_refresh_by_one_interval_at_most(
    root: ImageName, now: datetime, old: timedelta, new: timedelta
) -> None:
    assert refresh_period(root, now + new, new) > refresh_period(root, now, old)


def test_roots_do_not_refresh_at_one_moment() -> None:
    age = timedelta(days=30)
    starts = set()
    for number in range(50):
        root = ImageName(f"base-{number}")
        first = refresh_period(root, make.NOW, age)
        starts.add(
            next(d for d in range(31) if refresh_period(root, make.NOW + timedelta(days=d), age) > first)
        )
    assert len(starts) > 15


DEFINITION = ImageDefinition(
    name=make.BASE,
    team=make.TEAM,
    owners=("a@example.com",),
    origin=make.SOURCE,
    os=OsTraits(),
    build=BuildRecipe(
        vm_size="Standard_D2s_v5",
        timeout=timedelta(hours=1),
        provisioners=(
            ShellStep(script="a.sh", env=(("A", "1"), ("B", "2"))),
            AnsibleStep(playbook="p.yml"),
            FileStep(path="f", destination="/etc/f"),
        ),
    ),
    verify=Verification(),
    publish=Publication(regions=(TargetRegion(name=Region("westeurope")),)),
    rebuild=RebuildRules(),
    retention=Retention(),
    bundle=make.digest("1"),
    major=9,
)


@pytest.mark.parametrize(
    "change",
    [
        {"owners": ("b@example.com",)},
        {"labels": (("a", "b"),)},
        {"plan": PurchasePlan(publisher="p", name="n", product="o")},
        {"retention": Retention(keep=9)},
        {"verify": Verification(compliance=ComplianceTarget(profile="x", min_score=1))},
        {"build": replace(DEFINITION.build, vm_size="Standard_D4s_v5", timeout=timedelta(hours=2))},
    ],
)
def test_what_does_not_shape_the_image_does_not_change_its_recipe(change: dict[str, object]) -> None:
    assert recipe_digest(replace(DEFINITION, **change)) == recipe_digest(DEFINITION)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"major": 10},
        {"os": OsTraits(security_type=SecurityType.STANDARD)},
        {"build": replace(DEFINITION.build, os_disk_gb=128)},
        {"serves": (ServedPort(port=8443),)},
        {"build": replace(DEFINITION.build, volumes=(Volume(mount="/opt", gb=10),))},
        {"build": replace(DEFINITION.build, volumes=(Volume(mount="/opt", share=10),))},
        {"hardening": Hardening(fips=True)},
        {"hardening": Hardening(profile="stig")},
        {"build": replace(DEFINITION.build, provisioners=DEFINITION.build.provisioners[::-1])},
        {"build": replace(DEFINITION.build, provisioners=(ShellStep(script="a.sh", env=(("A", "2"),)),))},
    ],
)
def test_what_shapes_the_image_changes_its_recipe(change: dict[str, object]) -> None:
    assert recipe_digest(replace(DEFINITION, **change)) != recipe_digest(DEFINITION)  # type: ignore[arg-type]


def test_when_a_port_is_served_and_the_order_of_ports_do_not_enter_the_recipe() -> None:
    api, peers = ServedPort(port=8200), ServedPort(port=8201)
    both = recipe_digest(replace(DEFINITION, serves=(api, peers)))
    later = replace(api, when=ServedWhen.DEPLOYED)
    assert recipe_digest(replace(DEFINITION, serves=(peers, later))) == both


def test_a_definition_without_a_disk_size_and_ports_has_the_recipe_of_the_time_before_these_keys() -> None:
    assert (
        str(recipe_digest(DEFINITION)) == "027ec4c7b74d6ea71bfa508a4824df9b4d8378f9fa414778f84f495fa256efc3"
    )


def test_the_order_of_environment_variables_does_not_enter() -> None:
    turned = replace(
        DEFINITION.build,
        provisioners=(
            ShellStep(script="a.sh", env=(("B", "2"), ("A", "1"))),
            *DEFINITION.build.provisioners[1:],
        ),
    )
    assert recipe_digest(replace(DEFINITION, build=turned)) == recipe_digest(DEFINITION)


def test_a_source_is_known_by_a_key_without_case() -> None:
    other = MarketplaceSource(
        publisher="redhat", offer="rhel", sku="9-LVM-gen2", location=Region("westeurope")
    )
    assert other.key == make.SOURCE.key == "redhat:rhel:9-lvm-gen2:westeurope"


def test_a_source_with_a_colon_is_refused() -> None:
    with pytest.raises(InvalidValue):
        MarketplaceSource(publisher="a:b", offer="o", sku="s", location=Region("westeurope"))


def test_the_fingerprint_of_equal_inputs_is_computed_once() -> None:
    inputs = make.desired(make.BASE, make.world(make.head()))
    assert fingerprint(replace(inputs)) is fingerprint(inputs)
