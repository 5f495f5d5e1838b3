"""The names of resources that Azure refuses, over HTTP for what is made that way, and the rules alone for the rest."""

import pytest

from local.arm.rules import names
from local.arm.wire import ArmError
from tests.local.arm.rules.conftest import Ask

HERE = {"location": "westeurope"}


@pytest.mark.parametrize(
    "name", ["judge-gallery", "_start", "end_", "end.", "with space", "x" * 81, "ümlaut"]
)
def test_a_gallery_has_letters_digits_underscores_and_periods(ask: Ask, name: str) -> None:
    seen = ask("PUT", f"rg-gallery/providers/Microsoft.Compute/galleries/{name}", HERE)
    assert (seen.status, seen.code) == (400, "BadRequest")
    assert "dashes, are disallowed" in seen.message


def test_a_gallery_with_inner_underscores_and_periods_is_made(ask: Ask) -> None:
    path = "rg-gallery/providers/Microsoft.Compute/galleries/a_b.c9"
    assert ask("PUT", path, HERE).status == 201
    assert ask("DELETE", path).status == 202


@pytest.mark.parametrize("name", ["Bad Name!", "-start", "end-", "end.", "_x", "x" * 81])
def test_a_definition_has_hyphens_too_but_not_at_its_ends(ask: Ask, name: str) -> None:
    seen = ask("PUT", f"rg-gallery/providers/Microsoft.Compute/galleries/live/images/{name}", HERE)
    assert (seen.status, seen.code) == (400, "InvalidParameter")
    assert "invalid according to its validation rule" in seen.message


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        ("Microsoft.Network/networkInterfaces", "-nic", "InvalidResourceName"),
        ("Microsoft.Network/networkInterfaces", "nic-", "InvalidResourceName"),
        ("Microsoft.Network/networkSecurityGroups", "x" * 81, "InvalidResourceName"),
        ("Microsoft.Network/publicIPAddresses", "a b", "InvalidResourceName"),
        ("Microsoft.Network/virtualNetworks", "x", "InvalidResourceName"),
        ("Microsoft.Compute/disks", "a.b", "InvalidParameter"),
        ("Microsoft.Compute/virtualMachines", "_vm", "InvalidParameter"),
        ("Microsoft.Compute/virtualMachines", "vm-", "InvalidParameter"),
        ("Microsoft.Compute/virtualMachines", "x" * 65, "InvalidParameter"),
    ],
)
def test_a_name_follows_the_rule_of_its_type(ask: Ask, kind: str, name: str, code: str) -> None:
    seen = ask("PUT", f"rg-build/providers/{kind}/{name}", HERE)
    assert (seen.status, seen.code) == (400, code)


@pytest.mark.parametrize("name", ["x" * 65, "a b"])
def test_a_deployment_has_at_most_64_characters(ask: Ask, name: str) -> None:
    seen = ask("PUT", f"rg-build/providers/Microsoft.Resources/deployments/{name}", {"properties": {}})
    assert (seen.status, seen.code) == (400, "InvalidDeployment")


@pytest.mark.parametrize("name", ["a<b", "a%b", "a:b", "x" * 261])
def test_no_resource_has_a_forbidden_character(name: str) -> None:
    with pytest.raises(ArmError, match="InvalidResourceName"):
        names.demand("Microsoft.Compute/anything", name)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Microsoft.Compute/virtualMachines", "pkrvm0123456789"),
        ("Microsoft.Compute/disks", "pkros_OsDisk-1"),
        ("Microsoft.Compute/images", "rhel9-base.1_"),
        ("Microsoft.Network/networkInterfaces", "pkrni_1"),
        ("Microsoft.Resources/deployments", "pkrdp0123456789"),
        ("Microsoft.Compute/galleries/images", "rhel9-base"),
    ],
)
def test_what_packer_and_the_factory_name_is_accepted(kind: str, name: str) -> None:
    names.demand(kind, name)


def test_a_resource_that_is_there_is_not_renamed_by_a_rule(ask: Ask) -> None:
    """A wrong name is refused when something is made, and a read of it only finds nothing."""
    assert ask("GET", "rg-gallery/providers/Microsoft.Compute/galleries/no-such").code == "ResourceNotFound"
