"""Consistent domain states for tests: nothing here can make what the services could not store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.claims import Claim, Outcome
from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.images import ImageHead, PublishedVersion, Registration
from pipeline_core.domain.names import (
    LIVE,
    CampaignId,
    Digest,
    GalleryName,
    ImageName,
    Region,
    TeamName,
    build_id,
)
from pipeline_core.domain.reasons import Lane, ReasonKind, RebuildReason
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.snapshot import Snapshot, take_snapshot
from pipeline_core.domain.sources import MarketplaceSource, ParentReference
from pipeline_core.domain.staleness import Platform, World, desired_inputs
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)  # a Saturday
SOURCE = MarketplaceSource(publisher="RedHat", offer="RHEL", sku="9-lvm-gen2", location=Region("westeurope"))
OLD = MarketplaceVersion(9, 6, 2025112113)
NEW = MarketplaceVersion(9, 10, 2026112113)
BASE, CHILD, GRANDCHILD = ImageName("rhel9-base"), ImageName("rhel9-java"), ImageName("payments-api")
TEAM = TeamName("payments")


def digest(letter: str) -> Digest:
    """A digest that a reader can tell from others."""
    return Digest(letter * 64)


PLATFORM = Platform(digest=digest("f"), catalog={"falcon": ("falcon", "7.1", "a" * 64)})


def registration(name: ImageName = BASE, parent: ImageName | None = None, **changes: object) -> Registration:
    """A registered root, or a child of `parent`."""
    made = Registration(
        name=name,
        team=TEAM,
        origin=SOURCE if parent is None else ParentReference(image=parent, channel=LIVE),
        major=9,
        definition=digest("1"),
        recipe=digest("2"),
        bundle=digest("3"),
        gallery=GalleryName("live"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # tests name the fields they change


def head(name: ImageName = BASE, parent: ImageName | None = None, **changes: object) -> ImageHead:
    """A head without a version; `changes` are fields of the registration."""
    return ImageHead(registration=registration(name, parent, **changes), registered_at=NOW)


def world(*heads: ImageHead, newest: MarketplaceVersion | None = NEW) -> World:
    """A world of these heads, whose source is at `newest`."""
    return World(
        heads={one.name: one for one in heads},
        sources={} if newest is None else {SOURCE.key: FollowedSource(source=SOURCE, newest=newest)},
        platform=PLATFORM,
    )


def published(
    one: ImageHead, inputs: BuildInputs, version: str = "9.20261101.1", lane: Lane = Lane.HUMAN
) -> ImageHead:
    """The head with a current version that was built from `inputs`."""
    print_ = fingerprint(inputs)
    current = PublishedVersion(
        version=GalleryVersion.parse(version),
        fingerprint=print_,
        inputs=inputs,
        build=build_id(one.name, print_, 1),
        lane=lane,
        published_at=NOW - timedelta(days=1),
    )
    return replace(one, current=current, last_version=current.version)


def desired(name: ImageName, around: World) -> BuildInputs:
    """What `name` should be built from in that world."""
    inputs = desired_inputs(around.heads[name], around)
    assert isinstance(inputs, BuildInputs), inputs
    return inputs


def settled_chain(newest: MarketplaceVersion = OLD) -> tuple[ImageHead, ImageHead, ImageHead]:
    """A base, its child and its grandchild, all current at `newest`."""
    base = head()
    base = published(base, desired(BASE, world(base, newest=newest)))
    child = head(CHILD, BASE)
    child = published(child, desired(CHILD, world(base, child, newest=newest)))
    grandchild = head(GRANDCHILD, CHILD)
    grandchild = published(grandchild, desired(GRANDCHILD, world(base, child, grandchild, newest=newest)))
    return base, child, grandchild


def snapshot(image: ImageName, around: World, *claims: Claim) -> Snapshot:
    """A snapshot with these claims."""
    held = {(claim.image, claim.fingerprint): claim for claim in claims}
    return replace(take_snapshot(image, around), claims=held)


def claim_on(inputs: BuildInputs, outcome: Outcome, **changes: object) -> Claim:
    """The claim of generation 1 on these inputs."""
    print_ = fingerprint(inputs)
    made = Claim(
        image=inputs.image,
        fingerprint=print_,
        generation=1,
        build=build_id(inputs.image, print_, 1),
        outcome=outcome,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # tests name the fields they change


def build(phase: Phase = Phase.PENDING, **changes: object) -> Build:
    """A build of the base in a phase."""
    inputs = desired(BASE, world(head()))
    print_ = fingerprint(inputs)
    made = Build(
        id=build_id(BASE, print_, 1),
        image=BASE,
        team=TEAM,
        fingerprint=print_,
        generation=1,
        inputs=inputs,
        definition=digest("1"),
        gallery=GalleryName("live"),
        reasons=(RebuildReason(kind=ReasonKind.NEVER_BUILT),),
        lane=Lane.HUMAN,
        campaign=CampaignId("test"),
        phase=phase,
        seq=4,
        attempt=1,
        created_at=NOW,
        phase_since=NOW,
        priority="1-99-x",
        version=None if phase is Phase.PENDING else GalleryVersion(9, 20261121, 1),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # tests name the fields they change
