"""The features of an image definition, of which the security type is one. Pure, on plain JSON."""

import re
from typing import Final

from local.arm.wire import ArmError, Json

STANDARD: Final = "Standard"
TRUSTED: Final = "TrustedLaunch"
SUPPORTED: Final = "TrustedLaunchSupported"
_FEATURE: Final = "SecurityType"
# MicrosoftDocs/azure-compute-docs, azure-compute-gallery.md and compute-gallery-whats-new.md (July 2025).
_DEFAULT_SINCE: Final = "2025-03-03"


def with_default(properties: Json, api_version: str) -> Json:
    """The properties of a new image definition, with the defaults that newer api-versions have.

    Since 2025-03-03 an unset generation is V2 and an unset security type is TrustedLaunchSupported.
    """
    is_new = api_version >= _DEFAULT_SINCE
    filled = {"hyperVGeneration": "V2" if is_new else "V1", **properties}
    features = list(filled.get("features") or [])
    has_type = any(each.get("name") == _FEATURE and each.get("value") for each in features)
    if is_new and filled["hyperVGeneration"] == "V2" and not has_type:
        features.append({"name": _FEATURE, "value": SUPPORTED})
        filled["features"] = features
    return filled


def demand_generation(properties: Json) -> None:
    """Trusted Launch is for generation 2 alone (azure-compute-docs, trusted-launch.md). The text is ours."""
    value = security_type(properties.get("features") or [])
    if properties.get("hyperVGeneration") == "V1" and value != STANDARD:
        raise ArmError(
            400,
            "InvalidParameter",
            f"The security type '{value}' is not supported for the Hypervisor generation 'V1'.",
            target="galleryImage.properties.features",
        )


def security_type(features: list[Json], version: str = "") -> str:
    """The security type of one version, or of the newest versions where none is named.

    A feature may begin with a version (`startsAtVersion`, Azure/azure-cli#33172).
    """
    for each in features:
        if each.get("name") == _FEATURE and each.get("value"):
            begins = str(each.get("startsAtVersion") or "")
            if not version or not begins or _numbers(version) >= _numbers(begins):
                return str(each["value"])
    return STANDARD


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
