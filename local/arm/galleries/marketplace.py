"""The Marketplace: publishers, offers, SKUs and the versions of images that it offers, by region.

The first list comes from `marketplace.json`. Control publishes, describes and withdraws versions. Names are compared
without case, as on Azure. The order of a list of versions is not promised.

An image that is sold with a plan is bought by the machine that is made from it: the terms of the plan must have been
accepted (control says whether they have), and the machine must name the plan. Sources: `terms_problem`, `plan_problem`.

One version is shown as `VirtualMachineImage` of Azure's Compute API shows it (REST reference, Virtual Machine Images -
Get; a real answer for a RHEL image is in Azure/azure-cli#16863, with the size of the disk).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.arm.store import short_region
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json

_PUBLISHERS = "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/publishers"
_OFFERS = _PUBLISHERS + "/{publisher}/artifacttypes/vmimage/offers"
_SKUS = _OFFERS + "/{offer}/skus"
_DISK_GB = 64  # of Red Hat's images (Azure/azure-cli#16863)
_ACTIVE: Json = {"imageState": "Active"}


_PLAN = ("publisher", "product", "name")

Plan = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sku:
    """One SKU with its spelling, and the facts that all its versions share."""

    publisher: str
    offer: str
    sku: str
    generation: str = "V2"
    architecture: str = "x64"
    plan: Plan | None = None
    disk_gb: int = _DISK_GB

    @property
    def key(self) -> tuple[str, str, str]:
        """The form in which Azure compares SKUs."""
        return _key(self.publisher, self.offer, self.sku)

    @property
    def features(self) -> list[Json]:
        """Only a machine of generation V2 can be a Trusted Launch machine."""
        features = [{"name": "IsAcceleratedNetworkSupported", "value": "True"}]
        if self.generation == "V2":
            features.append({"name": "SecurityType", "value": "TrustedLaunchSupported"})
        return features


class MarketplaceService:
    """SKUs and their versions. They are the same in every known location."""

    def __init__(self, offered: Mapping[str, Any]) -> None:
        self._locations = {short_region(name) for name in offered["locations"]}
        self._skus: dict[tuple[str, str, str], Sku] = {}
        self._versions: dict[tuple[str, str, str], dict[str, Json]] = {}  # SKU -> version -> its own facts
        self._refused: set[tuple[str, str, str]] = set()  # plans without accepted terms
        for publisher, offers in offered["publishers"].items():
            for offer, skus in offers.items():
                for name, facts in skus.items():
                    kept = {key: value for key, value in facts.items() if key not in ("seen", "plausible")}
                    sku = Sku(publisher=publisher, offer=offer, sku=name, **kept)
                    self._skus[sku.key] = sku
                    self._versions[sku.key] = {each: {} for each in (*facts["seen"], *facts["plausible"])}

    @property
    def locations(self) -> frozenset[str]:
        """The regions where anything is offered."""
        return frozenset(self._locations)

    def publish(
        self, publisher: str, offer: str, sku: str, version: str, *, sku_facts: Json, version_facts: Json
    ) -> None:
        """Offer a version. A new SKU has generation V2, x64 and no plan, or `sku_facts`. Safe to repeat.

        `version_facts` are properties of this version alone, such as `imageDeprecationStatus`.
        """
        key = _key(publisher, offer, sku)
        if key not in self._skus or sku_facts:
            self._skus[key] = Sku(publisher=publisher, offer=offer, sku=sku, **sku_facts)
        self._versions.setdefault(key, {}).setdefault(version, {}).update(version_facts)

    def withdraw(self, publisher: str, offer: str, sku: str, version: str) -> None:
        """Withdraw a version. Raises NotFound."""
        versions = self._versions.get(_key(publisher, offer, sku), {})
        if version not in versions:
            raise _not_found()
        del versions[version]

    def deprecate(self, publisher: str, offer: str, sku: str, version: str, at: str) -> None:
        """Deprecate a version now, or announce it for the moment `at` (ISO 8601). Raises NotFound.

        A deprecated version stays in the list: Microsoft's FAQ on deprecated images calls the list the one of valid
        versions, but no document says that a deprecated one leaves it, so the factory must not depend on that.
        """
        versions = self._versions.get(_key(publisher, offer, sku), {})
        if version not in versions:
            raise _not_found()
        status: Json = {"imageState": "Deprecated"}
        if at:
            status = {"imageState": "ScheduledForDeprecation", "scheduledDeprecationTime": at}
        versions[version]["imageDeprecationStatus"] = status

    def _is_deprecated(self, key: tuple[str, str, str], version: str) -> bool:
        status = self._versions.get(key, {}).get(version, {}).get("imageDeprecationStatus") or _ACTIVE
        return bool(status["imageState"] == "Deprecated")

    def set_terms(self, publisher: str, product: str, name: str, *, accepted: bool) -> None:
        """Accept the terms of a plan, or take that back. All terms are accepted at the start."""
        change = self._refused.discard if accepted else self._refused.add
        change(_key(publisher, product, name))

    def plan_of(self, reference: Mapping[str, Any]) -> Plan | None:
        """The plan of an image reference with publisher, offer and SKU."""
        sku = self._skus.get(_key(*(str(reference.get(part, "")) for part in ("publisher", "offer", "sku"))))
        return None if sku is None else sku.plan

    def disk_gb_of(self, reference: Mapping[str, Any]) -> int:
        """The size of the OS disk of an image reference with publisher, offer and SKU; 0 for an unknown one."""
        sku = self._skus.get(_key(*(str(reference.get(part, "")) for part in ("publisher", "offer", "sku"))))
        return 0 if sku is None else sku.disk_gb

    def demand_terms(self, plan: Plan | None) -> None:
        """Raise what Azure answers, already to the validation, where the terms of a named plan are not accepted."""
        if plan is not None and _key(*(str(plan.get(each, "")) for each in _PLAN)) in self._refused:
            raise terms_problem(plan)

    def demand(self, location: str, reference: Mapping[str, Any]) -> None:
        """Raise PlatformImageNotFound if the image reference of a virtual machine is not offered.

        A deprecated version is refused by a code of its own, with the same status and target: Azure's answer to a
        creation is in Orange-Cyberdefense/GOAD#248, that for a version that is gone in hashicorp/packer#10600.
        """
        names = [str(reference.get(part, "")) for part in ("publisher", "offer", "sku", "version")]
        if self._is_deprecated(_key(*names[:3]), names[3]):
            text = f"The platform image '{':'.join(names)}' is deprecated."
            raise ArmError(404, "ImageVersionDeprecated", text, target="imageReference")
        versions = self._versions.get(_key(*names[:3]), {})
        known = short_region(location) in self._locations and (
            names[3] in versions or (names[3] == "latest" and bool(versions))
        )
        if not known:
            raise ArmError(
                404,
                "PlatformImageNotFound",
                f"The platform image '{':'.join(names)}' is not available. Verify that all fields in the storage "
                "profile are correct. For more details about storage profile information, please refer to "
                "https://aka.ms/storageprofile",
                target="imageReference",
            )

    def generation_of(self, reference: Mapping[str, Any]) -> str:
        """The Hypervisor generation of an image reference, empty where the SKU is not offered."""
        names = [str(reference.get(part, "")) for part in ("publisher", "offer", "sku")]
        found = self._skus.get(_key(*names))
        return "" if found is None else found.generation

    def routes(self) -> list[ArmRoute]:
        """The service's routes."""
        return [
            ArmRoute("GET", _PUBLISHERS, self._list_publishers),
            ArmRoute("GET", _OFFERS, self._list_offers),
            ArmRoute("GET", _SKUS, self._list_skus),
            ArmRoute("GET", f"{_SKUS}/{{sku}}/versions", self._list_versions),
            ArmRoute("GET", f"{_SKUS}/{{sku}}/versions/{{version}}", self._get_version),
        ]

    def _list_publishers(self, call: Call) -> ArmAnswer:
        return self._names(call, {sku.publisher for sku in self._skus.values()})

    def _list_offers(self, call: Call) -> ArmAnswer:
        wanted = call.names["publisher"].lower()
        return self._names(call, {sku.offer for key, sku in self._skus.items() if key[0] == wanted})

    def _list_skus(self, call: Call) -> ArmAnswer:
        wanted = (call.names["publisher"].lower(), call.names["offer"].lower())
        return self._names(call, {sku.sku for key, sku in self._skus.items() if key[:2] == wanted})

    def _names(self, call: Call, names: set[str]) -> ArmAnswer:
        """A plain list, as these four answers of Azure are: no object with a `value` around it."""
        location = self._location(call)
        if not names:
            raise _not_found()
        return ArmAnswer(body=[self._shown(call.path, location, name) for name in sorted(names)])

    def _list_versions(self, call: Call) -> ArmAnswer:
        location = self._location(call)
        sku = self._sku(call)
        versions = sorted(self._versions[sku.key])  # in the order of their text, not of their numbers
        if call.query.get("$orderby", "").lower().startswith("name desc"):
            versions.reverse()
        if "$top" in call.query:
            versions = versions[: int(call.query["$top"])]
        shown = [self._shown(call.path, location, version) for version in versions]
        if call.query.get("$expand", "").lower() == "properties":
            shown = [{**each, "properties": self._properties(sku, each["name"])} for each in shown]
        return ArmAnswer(body=shown)

    def _get_version(self, call: Call) -> ArmAnswer:
        location = self._location(call)
        sku, version = self._sku(call), call.names["version"]
        if version not in self._versions[sku.key]:
            raise _not_found()
        if self._is_deprecated(sku.key, version):
            # Microsoft's FAQ on deprecated images shows this answer to a GET; the status is that of a creation.
            names = f"Offer: {sku.offer}, Sku: {sku.sku}, Version: {version}"
            text = f"VM Image from publisher: {sku.publisher} with - {names} is deprecated."
            raise ArmError(404, "ImageVersionDeprecated", text)
        shown = self._shown(call.path.rsplit("/", 1)[0], location, version)
        return ArmAnswer(body={**shown, "properties": self._properties(sku, version)})

    def _properties(self, sku: Sku, version: str) -> Json:
        properties: Json = {
            "hyperVGeneration": sku.generation,
            "architecture": sku.architecture,
            "osDiskImage": {
                "operatingSystem": "Linux",
                "sizeInGb": sku.disk_gb,
                "sizeInBytes": sku.disk_gb * 1024**3 + 512,
            },
            "dataDiskImages": [],
            "automaticOSUpgradeProperties": {"automaticOSUpgradeSupported": False},
            "disallowed": {"vmDiskType": "None"},
            "features": sku.features,
            "imageDeprecationStatus": _ACTIVE,
        }
        if sku.plan is not None:
            properties["plan"] = dict(sku.plan)
        return {**properties, **self._versions[sku.key][version]}

    def _shown(self, folder: str, location: str, name: str) -> Json:
        return {"id": f"{folder.rstrip('/')}/{name}", "name": name, "location": location}

    def _location(self, call: Call) -> str:
        location = short_region(call.names["location"])
        if location not in self._locations:
            raise ArmError(
                400,
                "NoRegisteredProviderFound",
                f"No registered resource provider found for location '{location}' and API version "
                f"'{call.api_version}' for type 'locations/publishers'.",
            )
        return location

    def _sku(self, call: Call) -> Sku:
        key = _key(call.names["publisher"], call.names["offer"], call.names["sku"])
        if key not in self._skus:
            raise _not_found()
        return self._skus[key]


def load(path: Path) -> MarketplaceService:
    """The Marketplace of a data file."""
    return MarketplaceService(json.loads(path.read_text(encoding="utf-8")))


def _key(publisher: str, offer: str, sku: str) -> tuple[str, str, str]:
    return publisher.lower(), offer.lower(), sku.lower()


def _not_found() -> ArmError:
    return ArmError(404, "NotFound", "Artifact: VMImage was not found.")


def terms_problem(plan: Plan) -> ArmError:
    """The refusal of a plan without accepted terms: hashicorp/packer#6009, Azure/azure-cli#10361."""
    publisher, offer = plan.get("publisher"), plan.get("product")
    inner = ArmError(
        400,
        "BadRequest",
        f"Offer with PublisherId: {publisher}, OfferId: {offer} cannot be purchased due to validation errors. See "
        'details for more information.[{"Legal terms have not been accepted for this item on this subscription. To '
        "accept legal terms using PowerShell, please use Get-AzureRmMarketplaceTerms and "
        "Set-AzureRmMarketplaceTerms API(https://go.microsoft.com/fwlink/?linkid=862451) or deploy via the Azure "
        'portal to accept the terms":"StoreApi"}]',
    )
    return ArmError(
        400,
        "MarketplacePurchaseEligibilityFailed",
        "Marketplace purchase eligibilty check returned errors. See inner errors for details. ",
        details=[inner],
    )


def plan_problem(machine: str, named: Plan | None, sold: Plan | None) -> ArmError | None:
    """The refusal of a machine that does not name the plan of its image, in Azure's spelling; None where it may run.

    Also for an image that was made from one with a plan (Azure/azure-rest-api-specs#22133, openshift/installer#7721).
    The text for a plan with another spelling was found in scripts that quote it. No document says what Azure does
    with a plan for an image without one, so it passes.
    """
    if sold is None or (named is not None and all(named.get(each) == sold.get(each) for each in _PLAN)):
        return None
    if not named:
        text = (
            "Creating a virtual machine from Marketplace image or a custom image sourced from a Marketplace image "
            f"requires Plan information in the request. VM: '{machine}'."
        )
    else:
        text = (
            "Unable to deploy from the Marketplace image or a custom image sourced from Marketplace image. The part "
            f"number in the purchase information for VM '{machine}' is not as expected. Beware that the Plan "
            "object's properties are case-sensitive."
        )
    return ArmError(400, "VMMarketplaceInvalidInput", text)
