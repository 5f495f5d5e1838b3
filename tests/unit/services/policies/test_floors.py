"""The floor at registration, at launch, at the gate and over what is registered; nothing of the fleet is rewritten."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.builds import Result
from pipeline_core.domain.conditions import Condition, ConditionType
from pipeline_core.domain.floors import LiveScan
from pipeline_core.domain.images import Registration
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.reasons import ReasonKind
from pipeline_core.state import images as records
from pipeline_core.wire.job import JOB_LIMIT, BuildJob
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import policy_documents as policies
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA, PAYMENTS

TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
CHAIN = {**TWO, "payments-api": "rhel9-java"}
SHA = "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210"


def _document(name: str, parent: str | None, **compliance: Any) -> dict[str, Any]:
    made = fleet.document(name, parent)
    made["spec"]["verify"] = {"compliance": compliance} if compliance else {}
    return made


def _register(made: SimulatedWorld, document: dict[str, Any]) -> Registration:
    name = ImageName(document["metadata"]["name"])
    known = scenes.images(made).find_head(name)
    return made.factory.registrar.register(
        name,
        document,
        world.upload(made, "content"),
        ADMIN,
        expected=None if known is None else str(known.value.registration.definition),
        create_only=known is None,
    ).head.registration


def _problems(made: SimulatedWorld, document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as refused:
        _register(made, document)
    return {problem.path: problem.message for problem in refused.value.problems}


def _below(made: SimulatedWorld, image: ImageName) -> Condition | None:
    """The condition, which is the same in the list as for the one image."""
    shown = made.factory.queries.image(image).image.conditions
    (listed,) = [each.conditions for each in made.factory.queries.images().images if each.name == str(image)]
    found = [each for each in shown if each.type is ConditionType.BELOW_FLOOR]
    assert [each for each in listed if each.type is ConditionType.BELOW_FLOOR] == found
    return found[0] if found else None


def _verify_profiles(made: SimulatedWorld, image: ImageName) -> list[str]:
    """What the newest verify job of an image scans by, oldest first."""
    jobs = [
        BuildJob.model_validate_json(made.ports.blobs.read("jobs", facts.name, limit=JOB_LIMIT))
        for facts in made.ports.blobs.list("jobs", "")
    ]
    return [job.tests.profile for job in jobs if job.stage == "verify" and job.image == str(image)]


def test_a_definition_below_the_floor_is_refused_with_every_reason_among_the_other_problems() -> None:
    made = scenes.registered(TWO)
    policies.put(
        made,
        compliance={"profile": "stig", "minScore": 95},
        waivers={"grantors": ["role:Waivers.Grant"], "longest": "30d"},
        regions=["northeurope"],
        catalog=["nessus"],
        maxAge="7d",
        maxOsDiskSizeGb=128,
        limits={
            "images": 0,
            "machineSizes": ["Standard_B2s"],
            "timeout": "30m",
            "teams": {"secops": {"images": 2}},
        },
    )
    waiver = {"rule": "r", "reason": "x", "owner": "me@example.com", "expires": "2030-01-01"}
    document = _document("app", "rhel9-java", profile="cis", minScore=90, waivers=[waiver])
    document["spec"]["build"]["catalog"] = ["falcon"]
    document["spec"]["build"]["provisioners"] = [{"shell": "scripts/gone.sh"}]
    document["spec"]["build"]["osDiskSizeGb"] = 256
    document["spec"]["rebuild"] = {"maxAge": "8d"}
    problems = _problems(made, document)
    assert set(problems) == {
        "spec.build.provisioners[0].shell",
        "spec.build.catalog[0]",
        "spec.build.osDiskSizeGb",
        "spec.build.vmSize",
        "spec.build.timeout",
        "metadata.team",
        "spec.verify.compliance.profile",
        "spec.verify.compliance.minScore",
        "spec.verify.compliance.waivers[0].expires",
        "spec.publish.regions[0].name",
        "spec.rebuild.maxAge",
    }
    assert problems["spec.verify.compliance.minScore"] == "is 90, and the floor in policy 1 demands 95"
    assert problems["metadata.team"] == (
        "secops has 2 images, and the limit of team secops in policy 1 allows 2"
    )
    assert scenes.images(made).find_head(ImageName("app")) is None


def test_a_base_of_a_source_that_is_not_allowed_is_refused() -> None:
    made = scenes.registered({})
    policies.put(made, sources=[{**fleet.SOURCE, "sku": "10-lvm-gen2"}])
    assert set(_problems(made, _document("rhel9-base", None))) == {"spec.marketplace"}
    policies.put(made, sources=[{**fleet.SOURCE, "publisher": "REDHAT"}])
    _register(made, _document("rhel9-base", None))


def test_the_floor_of_a_base_holds_for_what_descends_from_it_alone() -> None:
    made = scenes.registered(CHAIN)
    made.register("rhel10-base", None)
    policies.put(made, bases={"rhel9-base": {"profile": "stig"}, "new-base": {"profile": "pci"}})
    refused = {"spec.verify.compliance.profile"}
    assert set(_problems(made, _document("app", "payments-api", profile="cis", minScore=1))) == refused
    assert set(_problems(made, _document("rhel9-base", None, profile="cis", minScore=1))) == refused
    assert set(_problems(made, _document("new-base", None, profile="cis", minScore=1))) == refused
    _register(made, _document("app", "rhel10-base", profile="cis", minScore=1))


def test_an_image_that_asks_for_no_scan_is_scanned_by_the_floor_and_held_to_it() -> None:
    made = scenes.registered({})
    policies.put(made, compliance={"profile": "stig", "minScore": 95})
    _register(made, _document("rhel9-base", None))
    made.settle()
    assert _verify_profiles(made, BASE) == ["stig"]
    (build,) = scenes.builds(made, BASE)
    assert build.result is Result.SUCCEEDED
    assert scenes.head(made, BASE).current is not None
    assert scenes.head(made, BASE).current.scan == LiveScan(profile="stig", score=95)  # type: ignore[union-attr]


def test_a_build_is_judged_by_the_policy_that_is_in_force_at_the_gate() -> None:
    made = scenes.registered({"rhel9-base": None})
    policies.put(made, compliance={"minScore": 96})
    made.settle()
    (build,) = scenes.builds(made, BASE)
    assert build.result is Result.FAILED
    assert build.failure is not None
    assert "96" in build.failure.message
    assert scenes.head(made, BASE).current is None


def test_no_profile_is_scanned_where_neither_policy_nor_definition_asks() -> None:
    made = scenes.registered({})
    _register(made, _document("rhel9-base", None))
    made.settle()
    assert _verify_profiles(made, BASE) == [""]
    assert scenes.head(made, BASE).current.scan is None  # type: ignore[union-attr]


def test_a_raised_floor_makes_images_below_it_non_compliant_with_a_date_and_rewrites_none() -> None:
    made = scenes.settled(TWO)
    assert _below(made, BASE) is None
    made.settle()
    rows, day = made.ports.tables.rows("images"), made.ports.clock.now() + timedelta(days=30)
    policies.put(made, compliance={"minScore": 93}, enforcedFrom=f"{day:%Y-%m-%d}")
    found = _below(made, JAVA)
    assert found is not None
    assert (found.reason, found.since) == ("FloorAnnounced", None)
    assert found.message == (
        f"from {day:%Y-%m-%d}: spec.verify.compliance.minScore: is 90, and the floor in policy 1 demands 93"
    )
    made.settle()
    assert made.ports.tables.rows("images") == rows
    made.ports.clock.advance(timedelta(days=31))
    found = _below(made, JAVA)
    assert found is not None
    assert found.reason == "FloorEnforced"
    assert f"{found.since:%Y-%m-%d}" == f"{day:%Y-%m-%d}"
    _register(made, _document("rhel9-java", "rhel9-base", profile="cis_server_l1", minScore=93))
    assert _below(made, JAVA) is None
    assert _below(made, BASE) is not None


def test_a_live_version_that_scored_less_than_the_floor_is_below_it() -> None:
    made = scenes.registered({})
    _register(made, _document("rhel9-base", None, profile="cis", minScore=96 - 6))
    made.settle()
    policies.put(made, compliance={"profile": "cis", "minScore": 90}, bases={"rhel9-base": {"minScore": 95}})
    found = _below(made, BASE)
    assert found is not None
    assert "spec.verify.compliance.minScore" in found.message  # as registered; as live it has its 95
    policies.put(made, compliance={"profile": "cis", "minScore": 90}, bases={"rhel9-base": {"minScore": 96}})
    found = _below(made, BASE)
    version = scenes.head(made, BASE).current.version  # type: ignore[union-attr]
    assert found is not None
    assert f"{version}: scored 95, and the floor of rhel9-base in policy 2 demands 96" in found.message


def test_a_floor_for_a_base_shows_on_what_descends_from_it_on_any_page() -> None:
    made = scenes.settled(CHAIN)
    policies.put(made, bases={"rhel9-base": {"profile": "stig"}})
    assert all(_below(made, image) is not None for image in (BASE, JAVA, PAYMENTS))
    (alone,) = made.factory.queries.images(limit=1).images
    assert (alone.name, [each.type.value for each in alone.conditions]) == ("payments-api", ["BelowFloor"])


def test_a_registration_of_an_older_release_is_judged_by_its_document() -> None:
    made = scenes.settled({"rhel9-base": None})
    stored = scenes.images(made).get_head(BASE)
    older = replace(stored.value, registration=replace(stored.value.registration, promises=None))
    scenes.images(made).commit([records.put_head(older, etag=stored.etag)])
    made.base.effects.projection.project(BASE)
    policies.put(made, compliance={"minScore": 91})
    found = _below(made, BASE)
    assert found is not None
    assert "is 90" in found.message


def test_without_a_maximum_age_secops_rule_holds_from_the_registration_on() -> None:
    made = scenes.settled({"rhel9-base": None})
    policies.put(made, maxAge="7d")
    assert scenes.head(made, BASE).registration.max_age is None
    found = _below(made, BASE)
    assert found is not None
    assert "spec.rebuild.maxAge: is without a limit, and policy 1 allows 7d" in found.message
    made.register("rhel9-base", None)
    assert scenes.head(made, BASE).registration.max_age == timedelta(days=7)
    assert _below(made, BASE) is None
    made.settle()
    before = len(scenes.builds(made, BASE))
    for _ in range(16):
        made.ports.clock.advance(timedelta(hours=12))
        made.factory.sweeper.sweep()
        made.drain()
    after = scenes.builds(made, BASE)[before:]
    assert after
    assert {reason.kind for build in after for reason in build.reasons} == {ReasonKind.REFRESH_DUE}


def test_a_longer_maximum_age_does_not_end_the_refreshes() -> None:
    made = scenes.registered({})
    made.register("rhel9-base", None, maxAge="7d")
    made.settle()
    made.register("rhel9-base", None, maxAge="10d")
    made.settle()
    before = len(scenes.builds(made, BASE))
    made.ports.clock.advance(timedelta(days=10))
    made.settle()
    assert len(scenes.builds(made, BASE)) == before + 1


def test_a_catalog_with_a_tool_that_the_policy_does_not_allow_is_refused() -> None:
    made = scenes.registered({})
    policies.put(made, catalog=["falcon"])
    bundle = world.upload(made, "platform")
    entries: list[object] = [
        {"id": tool, "version": "1.0", "url": f"https://tools.factory.corp/{tool}-1.0.rpm", "sha256": SHA}
        for tool in ("falcon", "nessus")
    ]
    scenes.admit(made, {"entries": entries})
    platform = scenes.sources(made).find_platform()
    with pytest.raises(InvalidDocument) as refused:
        made.factory.platforms.put(bundle, {"hosts": ["tools.factory.corp"], "entries": [*entries, 1]}, ADMIN)
    assert "catalog.entries[1].id" in {problem.path for problem in refused.value.problems}
    with pytest.raises(InvalidDocument, match="policy 1 does not allow"):
        made.factory.platforms.put(bundle, {"hosts": ["tools.factory.corp"], "entries": entries}, ADMIN)
    assert scenes.sources(made).find_platform() == platform
    made.factory.platforms.put(bundle, {"hosts": ["tools.factory.corp"], "entries": entries[:1]}, ADMIN)
