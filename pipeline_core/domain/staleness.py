"""Is an image current? Compares what it was built from with what it should be built from; keeps every reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import Digest, Fingerprint, ImageName
from pipeline_core.domain.reasons import ReasonKind, RebuildReason
from pipeline_core.domain.sources import MarketplaceSource, OriginVersion, ParentVersion, SourceVersion
from pipeline_core.domain.versions import MarketplaceVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What SecOps adds to every build: the digest of the platform steps and the catalog of staged tools.

    `catalog` maps a tool's id to (id, version, sha256), `urls` to the address that it is fetched from: a
    mirror may move without a rebuild, since the digest decides what is staged.
    """

    digest: Digest
    catalog: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    urls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What desired inputs are derived from: heads of images, newest source versions by key, the platform."""

    heads: Mapping[ImageName, ImageHead]
    sources: Mapping[str, MarketplaceVersion]
    platform: Platform | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """The current version has the desired fingerprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """The current version has another fingerprint, or there is none; every reason is kept."""

    desired: BuildInputs
    fingerprint: Fingerprint
    reasons: tuple[RebuildReason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The desired inputs are not known yet; `missing` says why. Unknown never means current."""

    missing: str


Staleness = Current | Stale | Unknown


def detect_staleness(image: ImageName, world: World) -> Staleness:
    """Compare desired and current inputs of a registered image."""
    head = world.heads[image]
    desired = desired_inputs(head, world)
    if isinstance(desired, Unknown):
        return desired
    wanted = fingerprint(desired)
    if head.current is not None and head.current.fingerprint == wanted:
        return Current()
    reasons = _differences(None if head.current is None else head.current.inputs, desired)
    return Stale(desired=desired, fingerprint=wanted, reasons=reasons)


def desired_inputs(head: ImageHead, world: World) -> BuildInputs | Unknown:
    """What the image should be built from in this world."""
    origin = _origin_version(head, world)
    if isinstance(origin, Unknown):
        return origin
    if world.platform is None:
        return Unknown(missing="no platform steps are registered yet")
    absent = [tool for tool in head.registration.catalog if tool not in world.platform.catalog]
    if absent:
        return Unknown(missing=f"the catalog has no {', '.join(sorted(absent))}")
    return BuildInputs(
        image=head.name,
        recipe=head.registration.recipe,
        bundle=head.registration.bundle,
        origin=origin,
        platform=world.platform.digest,
        catalog=tuple(sorted(world.platform.catalog[tool] for tool in head.registration.catalog)),
        period=head.period,
        token=None if head.request is None else head.request.token,
    )


def _origin_version(head: ImageHead, world: World) -> OriginVersion | Unknown:
    origin = head.registration.origin
    if isinstance(origin, MarketplaceSource):
        newest = world.sources.get(origin.key)
        if newest is None:
            return Unknown(missing=f"no version of {origin.key} has been seen yet")
        return SourceVersion(source=origin, version=newest)
    parent = world.heads.get(origin.image)
    if parent is None:
        return Unknown(missing=f"the parent {origin.image} is not registered")
    if parent.current is None:
        return Unknown(missing=f"the parent {origin.image} has no published version yet")
    return ParentVersion(image=origin.image, version=parent.current.version)


def _differences(old: BuildInputs | None, new: BuildInputs) -> tuple[RebuildReason, ...]:
    if old is None:
        return (RebuildReason(kind=ReasonKind.NEVER_BUILT, new=str(new.origin)),)
    origin_kind = (
        ReasonKind.SOURCE_CHANGED if isinstance(new.origin, SourceVersion) else ReasonKind.PARENT_CHANGED
    )
    pairs = (
        (origin_kind, str(old.origin), str(new.origin)),
        (ReasonKind.DEFINITION_CHANGED, _short(old.recipe), _short(new.recipe)),
        (ReasonKind.BUNDLE_CHANGED, _short(old.bundle), _short(new.bundle)),
        (ReasonKind.CATALOG_CHANGED, _tools(old), _tools(new)),
        (ReasonKind.PLATFORM_CHANGED, _short(old.platform), _short(new.platform)),
        (ReasonKind.REFRESH_DUE, str(old.period), str(new.period)),
        (ReasonKind.REBUILD_REQUESTED, str(old.token or "none"), str(new.token or "none")),
    )
    return tuple(
        RebuildReason(kind=kind, old=before, new=after) for kind, before, after in pairs if before != after
    )


def _short(digest: Digest) -> str:
    return str(digest)[:12]


def _tools(inputs: BuildInputs) -> str:
    return " ".join(f"{tool}@{version}#{sha256[:12]}" for tool, version, sha256 in inputs.catalog) or "none"
