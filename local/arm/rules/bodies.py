"""What Resource Manager reads of a resource's body itself: its location and its tags. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from local.arm.wire import ArmError, Json

# Limits: *Use tags to organize your Azure resources* (tag-resources.md of MicrosoftDocs/azure-docs), and rpc for 512
# and 256. No document shows the codes.
_MOST_TAGS: Final = 50
_TAG_NAME: Final = 512
_TAG_VALUE: Final = 256
_TAG_FORBIDDEN: Final = re.compile(r"[<>%&\\?/]")


def demand_tags(tags: Any) -> None:
    """Raise if Azure refuses these tags: too many, too long, or with a character that a tag's name cannot have."""
    if tags is None:
        return
    if not isinstance(tags, Mapping) or not all(isinstance(each, str | None) for each in tags.values()):
        raise ArmError(
            400, "InvalidRequestContent", "The request content was invalid: tags map names to texts."
        )
    if len(tags) > _MOST_TAGS:
        raise _wrong_tag(f"{len(tags)} tags are given; a resource has at most {_MOST_TAGS}")
    for name, value in tags.items():
        if not name or len(name) > _TAG_NAME or _TAG_FORBIDDEN.search(name):
            raise _wrong_tag(f"the tag name '{name[:80]}' is empty, too long, or has one of < > % & \\ ? /")
        if len(value or "") > _TAG_VALUE:
            raise _wrong_tag(f"the value of the tag '{name}' is longer than {_TAG_VALUE}")
    lowered = [name.lower() for name in tags]  # names are compared without case
    if len(set(lowered)) != len(lowered):
        raise _wrong_tag("a tag name is given twice")


def demand_same_location(body: Json, *, name: str, group: str, before: str) -> None:
    """Raise InvalidResourceLocation: a resource never moves.

    rpc: location, type and name are immutable. Code and text: troubleshooting-shared-images.md and azure-docs#70422.
    """
    wanted = str(body.get("location") or "").replace(" ", "").lower()
    if wanted and before and wanted != before:
        raise ArmError(
            409,
            "InvalidResourceLocation",
            f"The resource '{name}' already exists in location '{before}' in resource group '{group}'. A resource "
            f"with the same name cannot be created in location '{wanted}'. Please select a new resource name.",
        )


def _wrong_tag(reason: str) -> ArmError:
    return ArmError(400, "InvalidRequestContent", f"The tags are invalid: {reason}.")
