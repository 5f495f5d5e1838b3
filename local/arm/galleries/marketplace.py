"""The Marketplace: the versions of images that it offers, by region.

The first list comes from `marketplace.json`. Control publishes and withdraws versions. Names are compared without
case, as on Azure. The order of a list of versions is not promised.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.arm.store import short_region
from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json

_PUBLISHERS = "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/publishers"
_SKUS = _PUBLISHERS + "/{publisher}/artifacttypes/vmimage/offers/{offer}/skus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sku:
    """One SKU with its spelling and hypervisor generation."""

    publisher: str
    offer: str
    sku: str
    generation: str

    @property
    def key(self) -> tuple[str, str, str]:
        """The form in which Azure compares SKUs."""
        return _key(self.publisher, self.offer, self.sku)


class MarketplaceService:
    """SKUs and their versions. They are the same in every known location."""

    def __init__(self, offered: Mapping[str, Any]) -> None:
        self._locations = {short_region(name) for name in offered["locations"]}
        self._skus: dict[tuple[str, str, str], Sku] = {}
        self._versions: dict[tuple[str, str, str], list[str]] = {}
        for publisher, offers in offered["publishers"].items():
            for offer, skus in offers.items():
                for name, facts in skus.items():
                    sku = Sku(publisher=publisher, offer=offer, sku=name, generation=facts["generation"])
                    self._skus[sku.key] = sku
                    self._versions[sku.key] = [*facts["seen"], *facts["plausible"]]

    def publish(self, publisher: str, offer: str, sku: str, version: str) -> None:
        """Offer a version. A new SKU is created with generation V2. Safe to repeat."""
        key = _key(publisher, offer, sku)
        self._skus.setdefault(key, Sku(publisher=publisher, offer=offer, sku=sku, generation="V2"))
        versions = self._versions.setdefault(key, [])
        if version not in versions:
            versions.append(version)

    def withdraw(self, publisher: str, offer: str, sku: str, version: str) -> None:
        """Withdraw a version. Raises NotFound."""
        versions = self._versions.get(_key(publisher, offer, sku), [])
        if version not in versions:
            raise ArmError(404, "NotFound", "Artifact: VMImage was not found.")
        versions.remove(version)

    def demand(self, location: str, reference: Mapping[str, Any]) -> None:
        """Raise PlatformImageNotFound if the image reference of a virtual machine is not offered."""
        names = [str(reference.get(part, "")) for part in ("publisher", "offer", "sku", "version")]
        versions = self._versions.get(_key(*names[:3]), [])
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

    def routes(self) -> list[ArmRoute]:
        """The service's routes."""
        return [
            ArmRoute("GET", _SKUS, self._list_skus),
            ArmRoute("GET", f"{_SKUS}/{{sku}}/versions", self._list_versions),
            ArmRoute("GET", f"{_SKUS}/{{sku}}/versions/{{version}}", self._get_version),
        ]

    def _list_skus(self, call: Call) -> ArmAnswer:
        location = self._location(call)
        wanted = (call.names["publisher"].lower(), call.names["offer"].lower())
        skus = [sku for key, sku in sorted(self._skus.items()) if key[:2] == wanted]
        if not skus:
            raise ArmError(404, "NotFound", "Artifact: VMImage was not found.")
        folder = call.path.rstrip("/")
        return ArmAnswer(
            body=[{"id": f"{folder}/{sku.sku}", "name": sku.sku, "location": location} for sku in skus]
        )

    def _list_versions(self, call: Call) -> ArmAnswer:
        location = self._location(call)
        versions = sorted(
            self._versions[self._sku(call).key]
        )  # in the order of their text, not of their numbers
        if call.query.get("$orderby", "").lower().startswith("name desc"):
            versions.reverse()
        if "$top" in call.query:
            versions = versions[: int(call.query["$top"])]
        return ArmAnswer(body=[self._shown(call.path, location, version) for version in versions])

    def _get_version(self, call: Call) -> ArmAnswer:
        location = self._location(call)
        sku, version = self._sku(call), call.names["version"]
        if version not in self._versions[sku.key]:
            raise ArmError(404, "NotFound", "Artifact: VMImage was not found.")
        properties: Json = {
            "hyperVGeneration": sku.generation,
            "architecture": "x64",
            "osDiskImage": {"operatingSystem": "Linux"},
            "dataDiskImages": [],
            "imageDeprecationStatus": {"imageState": "Active"},
        }  # no plan: RedHat:RHEL is pay-as-you-go
        shown = self._shown(call.path.rsplit("/", 1)[0], location, version)
        return ArmAnswer(body={**shown, "properties": properties})

    def _shown(self, folder: str, location: str, version: str) -> Json:
        return {"id": f"{folder.rstrip('/')}/{version}", "name": version, "location": location}

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
            raise ArmError(404, "NotFound", "Artifact: VMImage was not found.")
        return self._skus[key]


def load(path: Path) -> MarketplaceService:
    """The Marketplace of a data file."""
    return MarketplaceService(json.loads(path.read_text(encoding="utf-8")))


def _key(publisher: str, offer: str, sku: str) -> tuple[str, str, str]:
    return publisher.lower(), offer.lower(), sku.lower()
