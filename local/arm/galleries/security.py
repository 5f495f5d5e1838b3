"""Security types: which source a version may have, and which machine may boot from it. Decisions on resources.

Each rule names the document that says how Azure behaves. Where Azure's own words are public, they are used.
"""

from collections.abc import Mapping
from typing import Any, Final

from local.arm.galleries.features import STANDARD, SUPPORTED, TRUSTED, security_type
from local.arm.galleries.galleries import VERSION
from local.arm.store import Resource, Store
from local.arm.wire import ArmError

MANAGED_IMAGE: Final = "Microsoft.Compute/images"
MACHINE: Final = "Microsoft.Compute/virtualMachines"


def type_of(definition: Resource, version: str) -> str:
    """The security type that a version of a definition has."""
    return security_type(definition.properties.get("features") or [], version)


def machine_type(properties: Mapping[str, Any]) -> str:
    """The security type that the body of a machine asks for."""
    return str((properties.get("securityProfile") or {}).get("securityType") or STANDARD)


def demand_source(store: Store, definition: Resource, version: str, source: Resource) -> None:
    """Raise where a source does not fit the security type of an image definition.

    azure-compute-docs, trusted-launch-portal.md: TrustedLaunchSupported takes a managed image and a version without
    guest state; TrustedLaunch takes a Trusted Launch machine. hashicorp/packer-plugin-azure#304 has the first text,
    a public log of a capture the second one. A version with guest state into another TrustedLaunch definition is in
    no document; the FAQ counts versions of another gallery among the sources, so it is allowed here.
    """
    wanted, kind = type_of(definition, version), source.type.lower()
    if wanted == SUPPORTED and kind == MACHINE.lower():
        raise ArmError(
            400,
            "InvalidParameter",
            f"The security type '{SUPPORTED}' is not supported for the source id '{source.id}'. Currently only Vhd "
            f"Blob, User Image and Gallery Image Version sources are supported for '{SUPPORTED}' images.",
            target="galleryImageVersion.properties.storageProfile.source",
        )
    has_state = _has_guest_state(store, source)
    if wanted != TRUSTED and has_state:
        raise ArmError(
            409,
            "Conflict",
            f"The source '{source.id}' contains TrustedLaunch or ConfidentialVM security data that cannot be used in "
            f"image with '{wanted}' security type. Please use either TrustedLaunch or ConfidentialVM security type.",
        )
    if wanted == TRUSTED and not has_state:
        # The page lists the sources of a TrustedLaunch definition, and this one is not among them. The text is ours.
        raise ArmError(
            400,
            "InvalidParameter",
            f"The security type '{TRUSTED}' is not supported for the source id '{source.id}', which has no VM guest "
            "state.",
            target="galleryImageVersion.properties.storageProfile.source",
        )


def demand_same_generation(definition: Resource, source: Resource, store: Store) -> None:
    """MicrosoftDocs/azure-docs#118774 and hashicorp/packer-plugin-azure#42 have code and text."""
    wanted, actual = str(definition.properties.get("hyperVGeneration")), generation_of(source, store)
    if actual and actual != wanted:
        raise ArmError(
            409,
            "Conflict",
            f"The resource with id '{source.id}' has a different Hypervisor generation ['{actual}'] than the parent "
            f"gallery image Hypervisor generation ['{wanted}'].",
        )


def generation_of(source: Resource, store: Store) -> str:
    """The Hypervisor generation of a machine, a managed image or a version. Empty where it is not known."""
    if source.type.lower() == VERSION.lower():
        return str(_definition(store, source).properties.get("hyperVGeneration") or "")
    return str(source.properties.get("hyperVGeneration") or source.hidden.get("generation") or "")


def demand_boot(store: Store, image: Resource, wanted: str) -> None:
    """Raise where a machine of the security type `wanted` may not boot from a version of a gallery.

    hashicorp/terraform-provider-azurerm#23148 has the first text. The second one is Azure's for an image without
    Trusted Launch, see `refused_image`.
    """
    definition = _definition(store, image)
    has = type_of(definition, image.name)
    if has == TRUSTED and wanted != TRUSTED:
        raise ArmError(
            400,
            "BadRequest",
            "The provided gallery image only supports creation of VMs and VM Scale Sets with 'TrustedLaunch' security "
            "type.",
        )
    if has == STANDARD and wanted == TRUSTED:
        raise refused_image()


def refused_image() -> ArmError:
    """Trusted Launch on an image that is not for it, or on generation 1 (Azure/azure-cli#27975 and #28005)."""
    return ArmError(
        400,
        "BadRequest",
        "Use of TrustedLaunch setting is not supported for the provided image. Please select Trusted Launch Supported "
        "Gen2 OS Image. For more information, see https://aka.ms/TrustedLaunch-FAQ.",
    )


def _has_guest_state(store: Store, source: Resource) -> bool:
    if source.type.lower() == MACHINE.lower():
        return machine_type(source.properties) == TRUSTED
    if source.type.lower() == VERSION.lower():
        return type_of(_definition(store, source), source.name) == TRUSTED
    return False


def _definition(store: Store, version: Resource) -> Resource:
    return store.get(version.id.split("/versions/")[0])
