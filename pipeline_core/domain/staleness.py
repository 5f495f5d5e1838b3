"""Is an image current? Compares what it was built from with what it should be built from; keeps every reason."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.images import ImageHead, PublishedVersion
from pipeline_core.domain.lineage import LineageFault
from pipeline_core.domain.names import Digest, Fingerprint, ImageName
from pipeline_core.domain.platform_trials import EndedTrial, PlatformTrial
from pipeline_core.domain.reasons import ReasonKind, RebuildReason
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.sources import MarketplaceSource, OriginVersion, ParentVersion, SourceVersion
from pipeline_core.domain.versions import GalleryVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What SecOps adds to every build: the digest of the platform steps and the catalog of staged tools.

    `catalog` maps a tool's id to (id, version, sha256), `urls` to the address that it is fetched from: a
    mirror may move without a rebuild, since the digest decides what is staged. `dropped` has the tools that left the
    catalog while images named them, and since when. `announce` is true until that was reported to those images, and
    `announced_to` is the last one, by name, up to which it was: empty before the first slice. `trial` is what the
    images that it names are built with instead; None where no trial runs. `ended` has the trials that were given up,
    the newest first: no image is built from what their canaries still have of them.
    """

    digest: Digest
    catalog: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    urls: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, datetime] = field(default_factory=dict)
    announce: bool = False
    announced_to: str = ""
    trial: PlatformTrial | None = None
    ended: tuple[EndedTrial, ...] = ()

    def steps_of(self, image: ImageName) -> "Platform | PlatformTrial":
        """The steps and the catalog that the image is to be built with: those on trial for a canary alone."""
        return self if self.trial is None or image not in self.trial.images else self.trial

    @property
    def tools(self) -> frozenset[tuple[str, str, str]]:
        """Every tool of the catalog in force and of the one on trial: builds need their files."""
        on_trial = () if self.trial is None else self.trial.catalog.values()
        return frozenset((*self.catalog.values(), *on_trial))

    @property
    def given_up(self) -> tuple[Digest, ...]:
        """The steps of the trials that were given up, the newest first."""
        return tuple(each.digest for each in self.ended)

    def describe(self, digest: Digest) -> str:
        """A digest of platform steps for a person, with the word that it is, or was, on trial only."""
        if digest == self.digest:
            return _short(digest)
        if self.trial is not None and digest == self.trial.digest:
            return f"{_short(digest)} (on trial)"
        return f"{_short(digest)} (its trial has ended)" if digest in self.given_up else _short(digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What desired inputs are derived from: heads of images, followed sources by key, the platform.

    `versions` has the current versions of parents whose heads are not among `heads`, where only lists need them.
    `broken` has the images that have no place in the forest: nothing is derived for them.
    """

    heads: Mapping[ImageName, ImageHead]
    sources: Mapping[str, FollowedSource]
    platform: Platform | None
    versions: Mapping[ImageName, GalleryVersion] = field(default_factory=dict)
    broken: Mapping[ImageName, LineageFault] = field(default_factory=dict)


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
    head, fault = world.heads[image], world.broken.get(image)
    if fault is not None:
        return Unknown(missing=f"it {fault.problem.message}")
    if _stays(head, world):
        return _current(head)
    desired = desired_inputs(head, world)
    if isinstance(desired, Unknown):
        return desired
    return find_difference(head, desired, world) or _current(head)


def find_difference(head: ImageHead, desired: BuildInputs, world: World) -> Stale | None:
    """How the image's current version differs from these inputs; None where it was built from them."""
    wanted = fingerprint(desired)
    if head.current is not None and head.current.fingerprint == wanted:
        return None
    reasons = _differences(None if head.current is None else head.current.inputs, desired, world.platform)
    return Stale(desired=desired, fingerprint=wanted, reasons=(*reasons, *_step_down_of_first(head, world)))


def _current(head: ImageHead) -> Staleness:
    """Current, unless the last look at the gallery speaks against the version: then nobody knows yet."""
    return Unknown(missing=_doubted(head)) if head.is_doubted else Current()


def _doubted(head: ImageHead) -> str:
    doubt = head.doubt
    return "" if doubt is None else f"{head.name}@{doubt.version}: {doubt.detail or doubt.kind.value}"


def find_step_down(head: ImageHead, world: World) -> SourceVersion | None:
    """The release that the image's current version was built from, where it is newer than all that are offered."""
    origin, current = head.registration.origin, head.current
    if not isinstance(origin, MarketplaceSource) or current is None:
        return None
    built, followed = current.inputs.origin, world.sources.get(origin.key)
    if not isinstance(built, SourceVersion) or built.source.key != origin.key or followed is None:
        return None
    if followed.newest is None:
        return built if followed.withdrawn else None
    return built if built.version > followed.newest else None


def _stays(head: ImageHead, world: World) -> bool:
    """True where only the withdrawal of its release makes the image differ: what was built from it stays."""
    kept = find_step_down(head, world)
    if kept is None or head.current is None:
        return False
    inputs = _inputs(head, world, kept)
    return isinstance(inputs, BuildInputs) and fingerprint(inputs) == head.current.fingerprint


def _step_down_of_first(head: ImageHead, world: World) -> tuple[RebuildReason, ...]:
    """A first build from an older release than the newest known one is a step down too."""
    origin = head.registration.origin
    if head.current is not None or not isinstance(origin, MarketplaceSource):
        return ()
    followed = world.sources.get(origin.key)
    last = None if followed is None else followed.last_withdrawn
    if followed is None or last is None or followed.newest is None:
        return ()
    old, new = origin.urn(last.version), origin.urn(followed.newest)
    return (RebuildReason(kind=ReasonKind.SOURCE_WITHDRAWN, old=old, new=new),)


def desired_inputs(head: ImageHead, world: World) -> BuildInputs | Unknown:
    """What the image should be built from in this world."""
    origin = _origin_version(head, world)
    return origin if isinstance(origin, Unknown) else _inputs(head, world, origin)


def known_inputs(head: ImageHead, built: BuildInputs, world: World) -> BuildInputs:
    """What is known of the inputs that the image should be built from; all else is as `built` has it.

    For an image whose desired inputs are not known as a whole. What its team, its clock and SecOps want is known all
    the same: its definition, its request and period, and the platform steps and tools in force.
    """
    steps = None if world.platform is None else world.platform.steps_of(head.name)
    return replace(
        built,
        recipe=head.registration.recipe,
        bundle=head.registration.bundle,
        platform=built.platform if steps is None else steps.digest,
        catalog=built.catalog if steps is None else _known_tools(head, built, steps),
        period=head.period,
        token=None if head.request is None else head.request.token,
    )


def _known_tools(
    head: ImageHead, built: BuildInputs, steps: Platform | PlatformTrial
) -> tuple[tuple[str, str, str], ...]:
    """The tools that the image names, those that have left the catalog as the current version has them.

    So a build that brings another entry of a tool that has left is taken back. Before the first version the build's
    own entries count.
    """
    before = built if head.current is None else head.current.inputs
    known = {tool[0]: tool for tool in before.catalog} | dict(steps.catalog)
    return tuple(sorted(known[tool] for tool in head.registration.catalog if tool in known))


def _inputs(head: ImageHead, world: World, origin: OriginVersion) -> BuildInputs | Unknown:
    if world.platform is None:
        return Unknown(missing="no platform steps are registered yet")
    steps = world.platform.steps_of(head.name)
    absent = [tool for tool in head.registration.catalog if tool not in steps.catalog]
    if absent:
        return Unknown(missing=f"the catalog has no {', '.join(sorted(absent))}")
    return BuildInputs(
        image=head.name,
        recipe=head.registration.recipe,
        bundle=head.registration.bundle,
        origin=origin,
        platform=steps.digest,
        catalog=tuple(sorted(steps.catalog[tool] for tool in head.registration.catalog)),
        period=head.period,
        token=None if head.request is None else head.request.token,
    )


def _origin_version(head: ImageHead, world: World) -> OriginVersion | Unknown:
    origin = head.registration.origin
    if isinstance(origin, MarketplaceSource):
        return _release_of(origin, world.sources.get(origin.key))
    parent = world.heads.get(origin.image)
    if parent is None and origin.image in world.versions:
        return ParentVersion(image=origin.image, version=world.versions[origin.image])
    if parent is None:
        return Unknown(missing=f"the parent {origin.image} is not registered")
    if parent.current is None:
        return Unknown(missing=f"the parent {origin.image} has no published version yet")
    if parent.is_doubted:
        return Unknown(missing=f"the parent's version is not to be relied on: {_doubted(parent)}")
    untried = _of_trial(head.name, parent.name, parent.current, world.platform)
    if untried:
        return Unknown(missing=untried)
    return ParentVersion(image=origin.image, version=parent.current.version)


def _of_trial(
    image: ImageName, parent: ImageName, current: PublishedVersion, platform: Platform | None
) -> str:
    """Why the image is not built from its parent's version, where steps on trial made that; else empty.

    A trial refuses a canary whose descendants are not named. So this holds what came below a canary later, and what
    would build on a canary that has not gone back yet.
    """
    steps, version = current.inputs.platform, ParentVersion(image=parent, version=current.version)
    if platform is None or steps == platform.digest:
        return ""
    trial = platform.trial
    if trial is not None and steps == trial.digest and parent in trial.images:
        if image in trial.images:
            return ""
        return (
            f"{version} was built with platform steps on trial, and this image is not in the trial: SecOps promote the"
            " trial or end it"
        )
    if not any(steps == each.digest and parent in each.images for each in platform.ended):
        return ""
    return (
        f"{version} was built with platform steps whose trial has ended: {parent} is built without them first"
    )


def _release_of(source: MarketplaceSource, followed: FollowedSource | None) -> SourceVersion | Unknown:
    if followed is None:
        return Unknown(missing=f"no version of {source.key} has been seen yet")
    if followed.newest is not None:
        return SourceVersion(source=source, version=followed.newest)
    last = followed.last_withdrawn
    if last is not None:
        gone = f"{source.urn(last.version)} {last.by} since {last.since:%Y-%m-%d}"
        return Unknown(
            missing=f"{gone}, and no other release is offered; follow another source, or wait for one"
        )
    why = "" if followed.silence is None else f": {followed.silence.why}"
    return Unknown(missing=f"no version of {source.key} has been seen yet{why}")


def _differences(
    old: BuildInputs | None, new: BuildInputs, platform: Platform | None
) -> tuple[RebuildReason, ...]:
    describe = _short if platform is None else platform.describe
    if old is None:
        return (RebuildReason(kind=ReasonKind.NEVER_BUILT, new=str(new.origin)),)
    pairs = (
        (_origin_kind(old.origin, new.origin), str(old.origin), str(new.origin)),
        (ReasonKind.DEFINITION_CHANGED, _short(old.recipe), _short(new.recipe)),
        (ReasonKind.BUNDLE_CHANGED, _short(old.bundle), _short(new.bundle)),
        (ReasonKind.CATALOG_CHANGED, _tools(old), _tools(new)),
        (ReasonKind.PLATFORM_CHANGED, describe(old.platform), describe(new.platform)),
        (ReasonKind.REFRESH_DUE, _moment(old.period), _moment(new.period)),
        (ReasonKind.REBUILD_REQUESTED, str(old.token or "none"), str(new.token or "none")),
    )
    return tuple(
        RebuildReason(kind=kind, old=before, new=after) for kind, before, after in pairs if before != after
    )


def _origin_kind(old: OriginVersion, new: OriginVersion) -> ReasonKind:
    if not isinstance(new, SourceVersion):
        return ReasonKind.PARENT_CHANGED
    if isinstance(old, SourceVersion) and old.source.key == new.source.key and old.version > new.version:
        return ReasonKind.SOURCE_WITHDRAWN
    return ReasonKind.SOURCE_CHANGED


def _short(digest: Digest) -> str:
    return str(digest)[:12]


@functools.lru_cache(maxsize=256)  # the images of one root share their periods
def _moment(period: int) -> str:
    """When an interval of `maxAge` began."""
    return f"{datetime.fromtimestamp(period, UTC):%Y-%m-%d %H:%M:%S} UTC" if period else "none"


def _tools(inputs: BuildInputs) -> str:
    return " ".join(f"{tool}@{version}#{sha256[:12]}" for tool, version, sha256 in inputs.catalog) or "none"
