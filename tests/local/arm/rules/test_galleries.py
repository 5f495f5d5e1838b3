"""What a gallery and an image definition must be, and how long they may take."""

import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError

from local.arm import launch
from local.arm.galleries import versions
from local.arm.wire import ArmError
from tests.local.arm.conftest import FACTORY, Body, sign_in
from tests.local.arm.rules.conftest import Ask

HOME = "rg-gallery/providers/Microsoft.Compute/galleries/live"
HERE = {"location": "westeurope"}
GOOD: dict[str, Any] = {
    **HERE,
    "properties": {
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "identifier": {"publisher": "acme", "offer": "rules", "sku": "one"},
    },
}


def changed(**properties: Any) -> dict[str, Any]:
    """A good definition with other properties; None takes one out."""
    body = deepcopy(GOOD)
    for name, value in properties.items():
        body["properties"].pop(name, None)
        if value is not None:
            body["properties"][name] = value
    return body


@pytest.fixture
def definition(ask: Ask) -> Iterator[str]:
    """A definition that is there during the test."""
    path = f"{HOME}/images/rules"
    assert ask("PUT", path, GOOD).status == 201
    yield path
    ask("DELETE", path)


@pytest.mark.parametrize("name", ["osType", "osState", "identifier"])
def test_a_definition_needs_its_properties(ask: Ask, name: str) -> None:
    seen = ask("PUT", f"{HOME}/images/lacks", changed(**{name: None}))
    assert (seen.status, seen.code) == (400, "InvalidParameter")
    assert seen.message == f"Required parameter 'galleryImage.properties.{name}' is missing (null)."


@pytest.mark.parametrize("part", ["publisher", "offer", "sku"])
def test_an_identifier_needs_its_three_parts(ask: Ask, part: str) -> None:
    body = deepcopy(GOOD)
    del body["properties"]["identifier"][part]
    seen = ask("PUT", f"{HOME}/images/lacks", body)
    assert (seen.status, seen.code) == (400, "InvalidParameter")
    assert f"identifier.{part}' is missing" in seen.message


@pytest.mark.parametrize(
    ("part", "value"), [("publisher", "x" * 129), ("offer", "x" * 65), ("sku", "ends."), ("sku", "a b")]
)
def test_an_identifier_has_azures_characters_and_lengths(ask: Ask, part: str, value: str) -> None:
    body = deepcopy(GOOD)
    body["properties"]["identifier"][part] = value
    seen = ask("PUT", f"{HOME}/images/wrong", body)
    assert (seen.status, seen.code) == (400, "InvalidParameter")
    assert f"Asset name galleryImage.properties.identifier.{part} is not valid" in seen.message


@pytest.mark.parametrize(
    ("name", "value"),
    [("osType", "BeOS"), ("osState", "Sealed"), ("hyperVGeneration", "V3"), ("architecture", "riscv64")],
)
def test_a_property_has_one_of_its_values(ask: Ask, name: str, value: str) -> None:
    seen = ask("PUT", f"{HOME}/images/wrong", changed(**{name: value}))
    assert (seen.status, seen.code) == (400, "InvalidParameter")


def test_an_identifier_is_used_once_in_a_gallery(ask: Ask, definition: str) -> None:
    seen = ask("PUT", f"{HOME}/images/twin", GOOD)
    assert (seen.status, seen.code) == (409, "Conflict")
    assert "identified by (publisher:acme, offer:rules, sku:one) already exists" in seen.message
    other = "rg-gallery/providers/Microsoft.Compute/galleries/quarantine/images/twin"
    assert ask("PUT", other, GOOD).status == 201, "another gallery has identifiers of its own"
    ask("DELETE", other)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("osType", "Windows"),
        ("osState", "Specialized"),
        ("hyperVGeneration", "V1"),
        ("architecture", "Arm64"),
        ("features", [{"name": "SecurityType", "value": "TrustedLaunch"}]),
        ("identifier", {"publisher": "acme", "offer": "rules", "sku": "two"}),
    ],
)
def test_what_a_definition_is_never_changes(ask: Ask, definition: str, name: str, value: Any) -> None:
    if name == "features":
        ask("DELETE", definition)
        ask("PUT", definition, changed(features=[{"name": "SecurityType", "value": "Standard"}]))
    seen = ask("PUT", definition, changed(**{name: value}))
    assert (seen.status, seen.code) == (409, "PropertyChangeNotAllowed")
    assert seen.message == f"Changing property 'galleryImage.properties.{name}' is not allowed."


def test_the_description_of_a_definition_may_change(ask: Ask, definition: str) -> None:
    assert ask("PUT", definition, changed(description="new")).status == 200
    assert ask("GET", definition).body["properties"]["description"] == "new"


@pytest.mark.parametrize(
    ("path", "parent"),
    [
        ("rg-gallery/providers/Microsoft.Compute/galleries/nowhere/images/i", "nowhere"),
        (f"{HOME}/images/nowhere/versions/1.0.0", "live/nowhere"),
    ],
)
def test_a_child_needs_its_parent(ask: Ask, path: str, parent: str) -> None:
    seen = ask("PUT", path, GOOD)
    assert (seen.status, seen.code) == (404, "ParentResourceNotFound")
    assert f"Parent resource '{parent}' not found" in seen.message


def test_a_gallery_with_definitions_cannot_be_deleted(ask: Ask, definition: str) -> None:
    seen = ask("DELETE", HOME)
    assert (seen.status, seen.code) == (409, "CannotDeleteResource")
    assert "Microsoft.Compute/galleries/live/images/rules" in seen.message


def test_a_definition_and_a_version_need_a_location(ask: Ask, definition: str) -> None:
    identifier = {"publisher": "acme", "offer": "rules", "sku": "nowhere"}
    body = {"properties": changed(identifier=identifier)["properties"]}
    assert ask("PUT", f"{HOME}/images/lacks", body).code == "LocationRequired"
    assert ask("PUT", f"{definition}/versions/1.0.0", {"properties": {}}).code == "LocationRequired"


def test_a_version_needs_a_source(ask: Ask, definition: str) -> None:
    seen = ask("PUT", f"{definition}/versions/1.0.0", {**HERE, "properties": {}})
    assert (seen.status, seen.code) == (400, "InvalidParameter")


def test_a_definition_may_be_slow_to_come_and_slow_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is there, nothing can be made below it; the two times are options."""
    options = ["--definition-seconds=0.6", "--gallery-deletion-seconds=0.6", "--retry-after=0"]
    with launch.start(tmp_path, galleries=["rg-gallery/live"], options=options) as running:
        monkeypatch.setenv("IDENTITY_ENDPOINT", running.identity_endpoint)
        monkeypatch.setenv("IDENTITY_HEADER", running.identity_header)
        with sign_in(running, FACTORY) as clients:
            images = clients.azure.compute.gallery_images
            body: Body = GOOD
            began = time.monotonic()
            poller = images.begin_create_or_update("rg-gallery", "live", "slow", body)
            assert images.get("rg-gallery", "live", "slow").provisioning_state == "Creating"
            versions = clients.azure.compute.gallery_image_versions
            with pytest.raises(ResourceNotFoundError, match="ParentResourceNotFound"):
                versions.begin_create_or_update("rg-gallery", "live", "slow", "1.0.0", body)
            assert poller.result().provisioning_state == "Succeeded"
            assert time.monotonic() - began >= 0.6
            deletion = images.begin_delete("rg-gallery", "live", "slow")
            assert images.get("rg-gallery", "live", "slow").provisioning_state == "Deleting"
            deletion.result()
            with pytest.raises(ResourceNotFoundError):
                images.get("rg-gallery", "live", "slow")


def test_an_end_of_life_that_has_passed_is_refused() -> None:
    """MicrosoftDocs/azure-docs#86025 has the words, of a creation; of a change it is the harder reading."""
    with pytest.raises(ArmError) as refused:
        versions.demand_future({"publishingProfile": {"endOfLifeDate": "2001-01-01T00:00:00Z"}})
    assert (refused.value.status, refused.value.code) == (400, "InvalidParameter")
    assert refused.value.message == "EndOfLifeDate must be set to a future date."
    versions.demand_future({"publishingProfile": {"endOfLifeDate": "2999-01-01T00:00:00Z"}})
    versions.demand_future({"publishingProfile": {"endOfLifeDate": None}})
