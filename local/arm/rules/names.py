"""The names that Azure accepts, by resource type, and its refusals. Pure.

Source of lengths and characters: *name rules*. A gallery: MicrosoftDocs/azure-docs#128302 (merged in 2026: letters,
digits, underscores, periods) and azurerm#2081 (Azure's refusal of a dash). Where a document shows Azure's code it is
sent; where none does, the code is the one that the same service sends for other names.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from local.arm.wire import ArmError

_GROUP_LENGTH: Final = 90
_DEPLOYMENT_LENGTH: Final = 64
_ANY_LENGTH: Final = 260  # rpc, resource-api-reference.md: resourceName
_ANY_FORBIDDEN: Final = re.compile(r"[<>%&:\\?/#\x00-\x1f\x7f]")
# Documents of Microsoft.Compute print this rule: troubleshooting-shared-images.md; azure-powershell#4706.
_COMPUTE_RULE: Final = r"^[^_\W][\w-._]{0,79}(?<![-.])$"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameRule:
    """The names of one type: a pattern of the whole name, and the refusal of a wrong one."""

    pattern: re.Pattern[str]
    refusal: Callable[[str], ArmError]


def _rule(pattern: str, refusal: Callable[[str], ArmError]) -> NameRule:
    return NameRule(pattern=re.compile(pattern, re.ASCII), refusal=refusal)


def _compute(name: str) -> ArmError:
    """The text is documented, the code is not."""
    text = f"The entity name '{name}' is invalid according to its validation rule: {_COMPUTE_RULE}."
    return ArmError(400, "InvalidParameter", text)


def _network(name: str) -> ArmError:
    return ArmError(
        400,
        "InvalidResourceName",
        f"Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word "
        "character, and it must end with a word character or with '_'. The name may contain word characters or '.', "
        "'-', '_'.",
    )


def _gallery(_name: str) -> ArmError:
    return ArmError(
        400,
        "BadRequest",
        "Gallery name is invalid. Allowed characters are English alphanumeric characters, with underscores, and "
        "periods allowed in the middle, up to 80 characters total. All other special characters, including dashes, "
        "are disallowed.",
    )


_NETWORK: Final = _rule(r"[A-Za-z0-9](?:[\w.-]{0,78}\w)?", _network)
_RULES: Final[Mapping[str, NameRule]] = {
    "microsoft.compute/galleries": _rule(r"[A-Za-z0-9](?:[\w.]{0,78}[A-Za-z0-9])?", _gallery),
    "microsoft.compute/galleries/images": _rule(r"[A-Za-z0-9](?:[\w.-]{0,78}[A-Za-z0-9])?", _compute),
    "microsoft.compute/disks": _rule(r"[\w-]{1,80}", _compute),
    "microsoft.compute/images": _rule(r"[A-Za-z0-9](?:[\w.-]{0,78}\w)?", _compute),
    "microsoft.compute/virtualmachines": _rule(  # at most 64, by the note below the table
        r"(?!_)[^\\/\"\[\]:|<>+=;,?*@&\s]{0,63}[^\\/\"\[\]:|<>+=;,?*@&\s.-]", _compute
    ),
    "microsoft.network/networkinterfaces": _NETWORK,
    "microsoft.network/networksecuritygroups": _NETWORK,
    "microsoft.network/publicipaddresses": _NETWORK,
    "microsoft.network/virtualnetworks": _rule(r"[A-Za-z0-9](?:[\w.-]{0,62}\w)", _network),
}


def demand_group(name: str) -> None:
    """Raise InvalidResourceGroup, as Azure does for any request that names such a group, reads too.

    azure-cli#14481 prints code and text.
    """
    wrong = sorted({each for each in name if not (each.isalnum() or each in "-_().")})
    if wrong:
        raise ArmError(
            400,
            "InvalidResourceGroup",
            f"The provided resource group name '{name}' has these invalid characters: '{','.join(wrong)}'. The name "
            "can only be a letter, digit, '-', '.', '(', ')' or '_'.",
        )
    if len(name) > _GROUP_LENGTH or name.endswith("."):
        reason = (
            f"a length of '{len(name)}' which exceeds the maximum length of '{_GROUP_LENGTH}'"
            if len(name) > _GROUP_LENGTH
            else "these invalid trailing characters: '.'"
        )
        text = f"The provided resource group name '{name}' has {reason}."
        raise ArmError(400, "InvalidResourceGroup", text)


def demand(resource_type: str, name: str) -> None:
    """Raise Azure's refusal of the name of a resource that shall be made."""
    if resource_type.lower() == "microsoft.resources/deployments":
        _demand_deployment(name)
    if len(name) > _ANY_LENGTH or _ANY_FORBIDDEN.search(name):
        text = f"Resource name '{name}' is invalid: at most 260 characters, none of < > % & : \\ ? / #."
        raise ArmError(400, "InvalidResourceName", text)
    rule = _RULES.get(resource_type.lower())
    if rule is not None and not rule.pattern.fullmatch(name):
        raise rule.refusal(name)


def _demand_deployment(name: str) -> None:
    """azure-cli#2635 prints code and text of a name that is too long."""
    if len(name) > _DEPLOYMENT_LENGTH:
        reason = f"has a length of '{len(name)}' which exceeds the maximum length of '{_DEPLOYMENT_LENGTH}'"
    elif wrong := sorted({each for each in name if not (each.isalnum() or each in "-_().")}):
        reason = f"has these invalid characters: '{','.join(wrong)}'"
    else:
        return
    text = f"The provided deployment name '{name}' {reason}."
    raise ArmError(
        400, "InvalidDeployment", f"{text} Please see https://aka.ms/arm-deploy for usage details."
    )
