"""What a subscription holds in a region: 1,000 image definitions and 10,000 versions, over all its galleries.

Source of the numbers: azure-compute-gallery.md of MicrosoftDocs/azure-compute-docs, Limits. No document shows the
refusal. Code and words are those of Microsoft.Compute's refusals for other quotas (error-resource-quota.md of
MicrosoftDocs/azure-docs; hashicorp/terraform-provider-azurerm#19050 shows them for another child of a gallery).
"""

from typing import Final

from local.arm.store import Store, short_region
from local.arm.wire import ArmError, Call

DEFINITIONS: Final = 1_000
VERSIONS: Final = 10_000


def demand_room(store: Store, call: Call, resource_type: str, most: int) -> None:
    """Refuse one more resource of a type in its subscription and region, where `most` are there."""
    region = short_region(str(call.json().get("location") or ""))
    scope = f"/subscriptions/{call.names['subscription']}"
    held = sum(short_region(each.location) == region for each in store.children(scope, resource_type))
    if held >= most:
        name = "GalleryImage" if resource_type.endswith("/images") else "GalleryImageVersion"
        text = (
            f"Operation could not be completed as it results in exceeding approved {name} quota. Additional details "
            f"- Deployment Model: Resource Manager, Location: {region}, Current Limit: {most}, Current Usage: {held}, "
            "Additional Required: 1."
        )
        raise ArmError(409, "OperationNotAllowed", text)
