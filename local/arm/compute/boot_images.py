"""The image that a machine boots from, with what it demands of the machine: that it exists, the size of the disk, the
plan under which it is sold. It answers for images of the Marketplace and of galleries; it stores nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from local.arm.galleries import features, security
from local.arm.galleries.galleries import VERSION
from local.arm.galleries.marketplace import MarketplaceService, Plan, plan_problem
from local.arm.store import Resource, Store, not_found
from local.arm.wire import ArmError, Json

_LARGEST_DISK: Final = 4095  # GiB of an OS disk (learn.microsoft.com, Introduction to Azure managed disks)


class BootImages:
    """Looks at the body of a machine."""

    def __init__(self, store: Store, marketplace: MarketplaceService) -> None:
        self._store = store
        self._marketplace = marketplace

    def demand(self, body: Json) -> None:
        """Raise what Azure answers before any creation."""
        profile = _storage(body)
        reference: Json = profile.get("imageReference") or {}
        image, wanted = reference.get("id"), security.machine_type(body.get("properties") or {})
        if image is None:
            self._marketplace.demand(str(body.get("location") or ""), reference)
            if wanted == features.TRUSTED and self._generation(reference) == "V1":
                raise security.refused_image()
        else:
            security.demand_boot(self._store, self._demand_version(str(image)), wanted)
        _demand_disk((profile.get("osDisk") or {}).get("diskSizeGB"), self._disk_gb(reference))
        self._marketplace.demand_terms(body.get("plan"))

    def demand_plan(self, machine: str, body: Json) -> None:
        """Raise where the machine does not name the plan of its image. Azure looks at the creation, not before."""
        sold = self._plan(_storage(body).get("imageReference") or {})
        problem = plan_problem(machine, body.get("plan"), sold)
        if problem is not None:
            raise problem

    def facts_of(self, body: Json) -> dict[str, Any]:
        """What is kept of the image in the machine, and in every image that is made from it."""
        profile = _storage(body)
        reference: Json = profile.get("imageReference") or {}
        size = (profile.get("osDisk") or {}).get("diskSizeGB") or self._disk_gb(reference)
        return {
            "plan": self._plan(reference),
            "disk_gb": int(size),
            "generation": self._generation(reference),
        }

    def _generation(self, reference: Json) -> str:
        """The Hypervisor generation, which a machine and all that is made of it have."""
        version = self._version(reference)
        if version is not None:
            return security.generation_of(version, self._store)
        return self._marketplace.generation_of(reference)

    def _demand_version(self, image: str) -> Resource:
        version = self._store.find(image)
        if version is None:
            raise not_found(image)
        if version.type != VERSION or version.state != "Succeeded":
            raise ArmError(
                409,
                "OperationNotAllowed",
                f"The image '{image}' is not a version that is ready to boot from.",
            )
        return version

    def _plan(self, reference: Mapping[str, Any]) -> Plan | None:
        version = self._version(reference)
        plan: Plan | None = version.hidden.get("plan") if version else self._marketplace.plan_of(reference)
        return plan

    def _disk_gb(self, reference: Mapping[str, Any]) -> int:
        version = self._version(reference)
        if version is None:
            return self._marketplace.disk_gb_of(reference)
        disk: Json = (version.properties.get("storageProfile") or {}).get("osDiskImage") or {}
        return int(disk.get("sizeInGB") or 0)

    def _version(self, reference: Mapping[str, Any]) -> Resource | None:
        return self._store.find(str(reference.get("id") or ""))


def _storage(body: Json) -> Json:
    return (body.get("properties") or {}).get("storageProfile") or {}


def _demand_disk(wanted: Any, image: int) -> None:
    """A disk is not smaller than its image (hitachienergy/epiphany#1049). The text for a too large one is ours."""
    if wanted is None:
        return
    if int(wanted) < image:
        raise ArmError(
            409,
            "OperationNotAllowed",
            f"The specified disk size {wanted} GB is smaller than the size of the corresponding disk in the VM image: "
            f"{image} GB. This is not allowed. Please choose equal or greater size or do not specify an explicit "
            "size.",
            target="osDisk.diskSizeGB",
        )
    if int(wanted) > _LARGEST_DISK:
        text = f"The disk size {wanted} GB is above the largest OS disk, {_LARGEST_DISK} GB."
        raise ArmError(400, "InvalidParameter", text, target="osDisk.diskSizeGB")
