"""ARM bodies of image definitions and versions: rendered for requests, read from answers. It makes no calls."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from pipeline_core.adapters.azure.configuration import GalleryPlace
from pipeline_core.domain.attempts import IMAGE_TAG
from pipeline_core.domain.definitions import (
    Architecture,
    Generation,
    OsTraits,
    SecurityType,
    TargetRegion,
)
from pipeline_core.domain.names import ImageName, Region
from pipeline_core.domain.proofs import parse_published
from pipeline_core.domain.replication import region_key
from pipeline_core.domain.sources import PurchasePlan
from pipeline_core.ports import NewGalleryVersion

_PUBLISHER = "ImageFactory"
_SECURITY = "SecurityType"
_STORAGE = "Standard_LRS"  # the one kind that every region has
_WRITABLE = ("replicaCount", "endOfLifeDate", "replicationMode", "storageAccountType")
_REGION_FIELDS = ("name", "regionalReplicaCount", "storageAccountType", "encryption")


def render_definition(
    image: ImageName, os: OsTraits, location: Region, tags: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """The body that creates an image definition. `tags` are beside our own.

    An image without a plan has no `purchasePlan` at all: with an empty one, no machine can be made from it
    (Azure/bicep-registry-modules#2359).
    """
    plan = os.plan
    sold = {} if plan is None else {"purchasePlan": _plan_body(plan)}
    return {
        "location": str(location),
        "tags": {**tags, IMAGE_TAG: str(image)},
        "properties": {
            "osType": "Linux",
            "osState": "Generalized",
            "hyperVGeneration": os.generation.value,
            "architecture": os.architecture.value,
            "identifier": {
                "publisher": _PUBLISHER,
                "offer": str(image),
                "sku": f"golden-{os.generation.value}",
            },
            "features": [{"name": _SECURITY, "value": os.security_type.value}],
            **sold,
        },
    }


def _plan_body(plan: PurchasePlan) -> dict[str, str]:
    return {"name": plan.name, "product": plan.product, "publisher": plan.publisher}


def traits_of(body: Mapping[str, Any]) -> tuple[str, str, str]:
    """Generation, architecture and security type of an image definition, with ARM's defaults."""
    properties = body.get("properties") or {}
    features = {each.get("name"): each.get("value") for each in properties.get("features") or []}
    return (
        str(properties.get("hyperVGeneration") or "V1"),
        str(properties.get("architecture") or "x64"),
        str(features.get(_SECURITY) or "Standard"),
    )


def os_of(body: Mapping[str, Any]) -> OsTraits:
    """The same as domain values, with the plan. Raises ValueError for a value that this factory does not know."""
    generation, architecture, security = traits_of(body)
    return OsTraits(
        generation=Generation(generation),
        architecture=Architecture(architecture),
        security_type=SecurityType(security),
        plan=plan_of(body),
    )


def plan_of(body: Mapping[str, Any]) -> PurchasePlan | None:
    """The purchase plan of an image definition, or None."""
    plan = (body.get("properties") or {}).get("purchasePlan") or {}
    parts = [str(plan.get(key) or "") for key in ("publisher", "name", "product")]
    return PurchasePlan(publisher=parts[0], name=parts[1], product=parts[2]) if any(parts) else None


def render_version(
    new: NewGalleryVersion,
    source: GalleryPlace,
    location: Region,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """The body that copies a version from another gallery, excluded from latest everywhere.

    `tags` are beside those of the version.
    """
    replicas = {str(region.name): region.replicas for region in new.regions}
    replicas.setdefault(str(location), 1)  # ARM demands that the regions include the version's own location
    profile: dict[str, Any] = {
        "targetRegions": [
            {
                "name": name,
                "regionalReplicaCount": count,
                "storageAccountType": _STORAGE,
                "excludeFromLatest": True,
            }
            for name, count in replicas.items()
        ],
        "replicaCount": 1,
        "excludeFromLatest": True,
        "replicationMode": "Full",
        "storageAccountType": _STORAGE,
    }
    if new.end_of_life is not None:
        profile["endOfLifeDate"] = _date(new.end_of_life)
    return {
        "location": str(location),
        "tags": dict(sorted({**tags, **new.tags}.items())),
        "properties": {
            "publishingProfile": profile,
            "storageProfile": {"source": {"id": version_id(new, source)}},
            "safetyProfile": {
                "allowDeletionOfReplicatedLocations": True,
                "blockDeletionBeforeEndOfLife": False,
            },
        },
    }


def version_id(new: NewGalleryVersion, source: GalleryPlace) -> str:
    """The resource id of the version that is copied."""
    return f"{gallery_id(source)}/images/{new.image}/versions/{new.version}"


def render_exclusion(
    profile: Mapping[str, Any], *, excluded: bool, end_of_life: datetime | None, now: datetime
) -> dict[str, Any]:
    """The body of the PATCH: the whole profile as it was, with the exclusion and the end of life.

    A date that has passed is left out, and stays as it is. None removes the date.

    The profile and every region get the mark: no document says which one wins where they differ
    (hashicorp/packer-plugin-azure issue 433 shows a region without a mark below a profile with one). `storageProfile`
    is required, and empty where the source stays (azure-rest-api-specs, GalleryImageVersion_Update_WithoutSourceId).
    """
    regions = [
        {
            **{name: region[name] for name in _REGION_FIELDS if region.get(name) is not None},
            "excludeFromLatest": excluded,
        }
        for region in profile.get("targetRegions") or []
    ]
    kept = _written(profile, end_of_life, now)
    if end_of_life is None and profile.get("endOfLifeDate"):
        kept["endOfLifeDate"] = None
    return {
        "properties": {
            "publishingProfile": {**kept, "targetRegions": regions, "excludeFromLatest": excluded},
            "storageProfile": {},
        }
    }


def _written(profile: Mapping[str, Any], end_of_life: datetime | None, now: datetime) -> dict[str, Any]:
    """The writable part of a profile with this end of life, without one that has passed.

    Azure refuses a date that is not in the future (MicrosoftDocs/azure-docs#86025 shows it for a version), also where
    the version has had it for long. A change that does not name it leaves it.
    """
    life = None if end_of_life is None or end_of_life <= now else _date(end_of_life)
    written = {**profile, "endOfLifeDate": life}
    return {name: written[name] for name in _WRITABLE if written.get(name) is not None}


def render_regions(
    profile: Mapping[str, Any], regions: Sequence[TargetRegion], location: Region, now: datetime
) -> dict[str, Any]:
    """The body of the PATCH that changes the regions alone; the others of `profile` and every mark stay.

    Regions are added and removed by a list of all (azure-compute-docs, update-image-resources.md). The version's own
    location must be in it.
    """
    replicas = {str(region.name): region.replicas for region in regions}
    replicas.setdefault(str(location), 1)
    known = {region_key(str(each.get("name") or "")): each for each in profile.get("targetRegions") or []}
    excluded = bool(profile.get("excludeFromLatest"))
    listed = []
    for name, count in replicas.items():
        before = known.get(region_key(name)) or {
            "name": name,
            "regionalReplicaCount": count,
            "storageAccountType": _STORAGE,
        }
        kept = {field: before[field] for field in _REGION_FIELDS if before.get(field) is not None}
        listed.append({**kept, "excludeFromLatest": bool(before.get("excludeFromLatest", excluded))})
    kept = _written(profile, end_of_life_of(profile), now)
    return {
        "properties": {
            "publishingProfile": {**kept, "targetRegions": listed, "excludeFromLatest": excluded},
            "storageProfile": {},
        }
    }


def end_of_life_of(profile: Mapping[str, Any]) -> datetime | None:
    """The end of life of a version, to the second; None where it has none, or one in a form that is not a date."""
    try:
        found = datetime.fromisoformat(str(profile.get("endOfLifeDate") or "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).replace(microsecond=0)


def _date(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def is_excluded(profile: Mapping[str, Any]) -> bool:
    """True if no region gives the version to a caller that asks for the newest one."""
    regions = profile.get("targetRegions") or []
    everywhere = bool(regions) and all(region.get("excludeFromLatest") for region in regions)
    return bool(profile.get("excludeFromLatest")) or everywhere


def is_marked(profile: Mapping[str, Any], *, excluded: bool) -> bool:
    """True if the version and each of its regions say `excluded` already."""
    marks = [profile, *(profile.get("targetRegions") or [])]
    return all(bool(mark.get("excludeFromLatest")) is excluded for mark in marks)


def is_divided(profile: Mapping[str, Any]) -> bool:
    """True if some marks say that the version is out of `latest`, and others do not."""
    return not (is_marked(profile, excluded=True) or is_marked(profile, excluded=False))


def disk_gb_of(properties: Mapping[str, Any]) -> int | None:
    """The size of a version's OS disk, or None where the answer does not say it."""
    disk = (properties.get("storageProfile") or {}).get("osDiskImage") or {}
    size = disk.get("sizeInGB")
    return size if isinstance(size, int) and size > 0 else None


def published_at_of(profile: Mapping[str, Any]) -> datetime | None:
    """When a version was made (`publishedDate`), or None where the answer does not say it.

    It is read-only, and an update leaves it (recorded for Azure/azure-cli, test_image_version_end_of_life_date.yaml).
    """
    return parse_published(profile.get("publishedDate"))


def source_of(properties: Mapping[str, Any]) -> str:
    """The resource id that a version was made from, or empty (`storageProfile.source.id` in the example
    GalleryImageVersion_Get of azure-rest-api-specs)."""
    source = (properties.get("storageProfile") or {}).get("source") or {}
    return str(source.get("id") or "")


def named(source: str, places: Iterable[GalleryPlace]) -> str:
    """`GALLERY/IMAGE@VERSION` for the id of a version in one of these galleries; any other id as it is."""
    for place in places:
        start = gallery_id(place).lower() + "/images/"
        image, middle, version = source[len(start) :].partition("/versions/")
        if source.lower().startswith(start) and middle:
            return f"{place.name}/{image}@{version}"
    return source


def gallery_id(place: GalleryPlace) -> str:
    """The resource id of a gallery."""
    return (
        f"/subscriptions/{place.subscription_id}/resourceGroups/{place.resource_group}"
        f"/providers/Microsoft.Compute/galleries/{place.name}"
    )


def regions_of(profile: Mapping[str, Any]) -> tuple[str, ...]:
    """The regions that the version is, or will be, in; in the form of ids (`westeurope`)."""
    return tuple(region_key(str(each.get("name") or "")) for each in profile.get("targetRegions") or [])


def failed_regions(replication: Mapping[str, Any]) -> tuple[str, ...]:
    """The regions whose replication failed, in the form of ids: Azure answers with `West Europe`."""
    return tuple(region_key(str(each.get("region") or "")) for each in _failed(replication))


def failures_of(replication: Mapping[str, Any]) -> str:
    """The failed regions with their reasons. Empty if no region failed."""
    failed = _failed(replication)
    return "; ".join(
        f"{each.get('region')}: {each.get('details') or 'no reason was given'}" for each in failed
    )


def _failed(replication: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in replication.get("summary") or [] if each.get("state") == "Failed"]
