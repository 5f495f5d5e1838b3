"""The expressions of ARM templates that Packer's azure-arm writes."""

from typing import Any

import pytest

from local.arm.compute import template_language
from local.arm.compute.template_language import Scope
from local.arm.wire import ArmError

SCOPE = Scope(
    subscription="s",
    group="rg",
    location="westeurope",
    parameters={"vmName": "vm1", "empty": ""},
    variables={
        "network": "[concat('v-', parameters('vmName'))]",
        "loop": "[variables('loop')]",
        "far": "[resourceId('rg-net', 'Microsoft.Network/virtualNetworks', variables('network'))]",
    },
)
VM = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("[[not an expression]", "[not an expression]"),
        ("[parameters('VMNAME')]", "vm1"),
        ("[concat('a', 'it''s', variables('network'))]", "ait'sv-vm1"),
        ("[resourceId('Microsoft.Compute/virtualMachines', parameters('vmName'))]", VM),
        ("[resourceId('Microsoft.Compute/virtualMachines/', parameters('vmName'))]", VM),
        (
            "[concat(variables('far'), '/subnets/x')]",
            "/subscriptions/s/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/v-vm1/subnets/x",
        ),
        ("[resourceGroup().location]", "westeurope"),
        ("[not(empty(parameters('empty')))]", False),
    ],
)
def test_an_expression_has_its_value(text: str, value: Any) -> None:
    assert SCOPE.value({"a": [text]}) == {"a": [value]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[uniqueString('a')]", "'uniqueString' with 1 arguments is not emulated"),
        ("[parameters('none')]", "'none' is not found"),
        ("[variables('loop')]", "refers to itself"),
        ("[concat('a']", "not understood"),
        ("[concat('a') 'b']", "not understood"),
        ("[resourceGroup().nothing]", "not understood"),
        ("[resourceId('a')]", "needs a resource type"),
        ("[resourceId('A.B/c/d', 'x')]", "needs 2 names"),
        ("[" + "not(" * 50 + "]", "not understood"),
        ("[$(id)]", "not understood"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(ArmError, match="InvalidTemplate") as refused:
        SCOPE.value(text)
    assert reason in refused.value.message


def test_parameters_are_all_given_and_all_declared() -> None:
    template = {
        "parameters": {"a": {"type": "string"}, "b": {"defaultValue": 1}},
        "resources": [{"name": "[parameters('a')]"}],
    }
    place = {"subscription": "s", "group": "g", "location": "l"}
    read = template_language.read
    assert read({"template": template, "parameters": {"A": {"value": "x"}}}, **place) == [{"name": "x"}]
    with pytest.raises(ArmError, match="'a' is not provided"):
        read({"template": template}, **place)
    with pytest.raises(ArmError, match="'c' are not declared"):
        read({"template": template, "parameters": {"a": {"value": 1}, "c": {"value": 1}}}, **place)
    with pytest.raises(ArmError, match="no template with resources"):
        read({}, **place)
    unwanted = {
        "resources": [{"name": "n", "condition": "[not(empty('x'))]"}, {"name": "m", "condition": False}]
    }
    assert read({"template": unwanted}, **place) == [{"name": "n"}]
