"""Read the stores into a frozen snapshot of one image and its ancestors. It decides nothing."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline_core.domain import fingerprint as fingerprints
from pipeline_core.domain import plan, staged_tools
from pipeline_core.domain.claims import Claim
from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import MAX_DEPTH, LineageFault, chain_problem
from pipeline_core.domain.names import Fingerprint, ImageName
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.snapshot import Snapshot, take_snapshot
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.staleness import Current, Platform, World, detect_staleness
from pipeline_core.services.effects.needed_tools import NeededTools
from pipeline_core.services.policies.policy import Policies
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A snapshot and the rows it was read from. A write must use the ETags of these rows.

    `head` is None where the image is not registered.
    """

    snapshot: Snapshot
    head: Stored[ImageHead] | None
    claims: dict[tuple[ImageName, Fingerprint], Stored[Claim]]


class Observer:
    """Cost: one point read per image of the chain, one per stale image for its claim, one each for source and platform.

    A brief look at a current image reads no ancestor above its parent. The policy is read only where SecOps' floor
    had refused an image of the chain. A build that would begin costs one more for each tool that it needs.
    """

    def __init__(self, records: Records, policy: Policies, needed: NeededTools) -> None:
        self._images = records.images
        self._lineage = records.lineage
        self._sources = records.sources
        self._policy = policy
        self._needed = needed

    def look(self, image: ImageName, known: Stored[ImageHead] | None = None) -> Snapshot:
        """What decides the image's own inputs, except the refresh period: its head, its parent or source, the platform.

        Two point reads where the head is known. Nothing is known of ancestors above the parent.
        """
        stored = known or self._images.find_head(image)
        if stored is None:
            return take_snapshot(image, World(heads={}, sources={}, platform=None))
        heads = {image: stored.value}
        above = stored.value.registration.parent
        parent = None if above is None else self._images.find_head(above)
        if parent is not None:
            heads[parent.value.name] = parent.value
        followed = self._followed(stored.value)
        return take_snapshot(
            image, World(heads=heads, sources=followed, platform=self._sources.find_platform())
        )

    def observe(
        self,
        image: ImageName,
        now: datetime,
        known: Stored[ImageHead] | None = None,
        *,
        brief: Callable[[ImageHead], bool] | None = None,
    ) -> Observation:
        """Look at `image`, its ancestors, their source, the platform, and the claims of the stale images.

        `known` is the image's own head where the caller has just read or written it. It is not read again. Where
        `brief` says so of the image's own head, the observation of a current image has no ancestor above its parent:
        its decision needs none. Where the chain is a cycle or too deep, the world has the image alone, and names the
        fault: it is unknown then.
        """
        chain = self._upwards({}, image, known, most=1)
        is_brief = brief is not None and any(brief(stored.value) for stored in chain.values())
        if is_brief:
            chain = self._onwards(chain, most=2)
            platform = self._sources.find_platform()
            if _is_current(image, chain, platform):
                heads = {name: stored.value for name, stored in chain.items()}
                taken = take_snapshot(image, World(heads=heads, sources={}, platform=platform))
                return Observation(snapshot=taken, head=chain.get(image), claims={})
        chain = self._onwards(chain, most=MAX_DEPTH + 1)
        followed = self._followed(_root_of(chain))
        return self._whole(
            image, chain, followed, platform if is_brief else self._sources.find_platform(), now
        )

    def observe_family(
        self,
        image: ImageName,
        children: Sequence[Stored[ImageHead]],
        now: datetime,
        known: Stored[ImageHead] | None = None,
    ) -> tuple[Observation, list[Observation]]:
        """Look at an image and at children of it. What they share is read once; `known` as in `observe`.

        The children's heads were just read, and every input is read after them, as in `observe`: where another look
        has seen a newer input, it has changed the head since, and what is planned here is refused. A child whose
        claim cannot be read is left out. Raises UnreadableRow for a row that the family shares.
        """
        above = self._upwards({}, image, known, most=MAX_DEPTH + 1)
        followed, platform = self._followed(_root_of(above)), self._sources.find_platform()
        own = self._whole(image, above, followed, platform, now)
        below = []
        for child in children:
            chain = {child.value.name: child, **above}
            with contextlib.suppress(UnreadableRow):
                below.append(self._whole(child.value.name, chain, followed, platform, now))
        return own, below

    def _whole(
        self,
        image: ImageName,
        found: dict[ImageName, Stored[ImageHead]],
        followed: dict[str, FollowedSource],
        platform: Platform | None,
        now: datetime,
    ) -> Observation:
        """The observation of an image with the whole chain of its ancestors."""
        chain, fault = self._checked(image, found)
        heads = {name: stored.value for name, stored in chain.items()}
        root = _root_of(chain)
        if root is not None:  # the whole chain, so that a child of an ancestor that is due waits for it
            heads = move_chain(heads, root.name, now)
        world = World(
            heads=heads,
            sources=followed if fault is None else {},
            platform=platform,
            broken={} if fault is None else {image: fault},
        )
        taken = take_snapshot(image, world)
        claims = self._claims(taken)
        held = {key: stored.value for key, stored in claims.items()}
        was_refused = root is not None and any(claim.floor is not None for claim in held.values())
        floor = self._policy.find_floor(root.name) if root is not None and was_refused else None
        seen = self._without_files(replace(taken, claims=held, floor=floor), now)
        return Observation(snapshot=seen, head=chain.get(image), claims=claims)

    def _without_files(self, snapshot: Snapshot, now: datetime) -> Snapshot:
        """The snapshot, with those of the chain that would be built now and lack the file of a tool.

        No read where nothing would be built. Otherwise one image is asked about, and the next one where that lacks one.
        """
        first = plan.find_first(snapshot, now)
        while first is not None:
            stale = snapshot.find_stale(first.name)
            missing = () if stale is None else self._needed.missing_of_next(stale.desired, first.registration)
            if not missing:
                break
            lacking = {**snapshot.lacking, first.name: staged_tools.why_not(missing)}
            snapshot = replace(snapshot, lacking=lacking)
            first = plan.find_first(snapshot, now)
        return snapshot

    def _onwards(
        self, chain: dict[ImageName, Stored[ImageHead]], *, most: int
    ) -> dict[ImageName, Stored[ImageHead]]:
        """The chain, continued above its last image."""
        if not chain:
            return chain
        last = next(reversed(chain.values())).value
        return self._upwards(chain, last.registration.parent, None, most=most)

    def _upwards(
        self,
        chain: dict[ImageName, Stored[ImageHead]],
        first: ImageName | None,
        known: Stored[ImageHead] | None,
        *,
        most: int,
    ) -> dict[ImageName, Stored[ImageHead]]:
        """The heads of `chain`, and those from `first` up to the root, but not more than `most` in all."""
        name = first
        while name is not None and name not in chain and len(chain) < most:
            stored, known = known or self._images.find_head(name), None
            if stored is None:
                break
            chain[name] = stored
            name = stored.value.registration.parent
        return chain

    def _checked(
        self, image: ImageName, chain: dict[ImageName, Stored[ImageHead]]
    ) -> tuple[dict[ImageName, Stored[ImageHead]], LineageFault | None]:
        """The chain, or the image alone with the fault of its chain."""
        problem = chain_problem(
            image, {each: stored.value.registration.parent for each, stored in chain.items()}
        )
        if problem is None:
            return chain, None
        kept = self._lineage.find_fault(image)
        fault = LineageFault(problem=problem, since=None if kept is None else kept.since)
        return {image: chain[image]}, fault

    def _followed(self, root: ImageHead | None) -> dict[str, FollowedSource]:
        if root is None or not isinstance(root.registration.origin, MarketplaceSource):
            return {}
        followed = self._sources.find(root.registration.origin)
        return {} if followed is None else {root.registration.origin.key: followed.value}

    def _claims(self, taken: Snapshot) -> dict[tuple[ImageName, Fingerprint], Stored[Claim]]:
        found: dict[tuple[ImageName, Fingerprint], Stored[Claim]] = {}
        for name in taken.staleness:
            stale = taken.find_stale(name)
            claim = None if stale is None else self._images.find_claim(name, stale.fingerprint)
            if stale is not None and claim is not None:
                found[name, stale.fingerprint] = claim
        return found


def _root_of(chain: Mapping[ImageName, Stored[ImageHead]]) -> ImageHead | None:
    """The head at the end of a chain, None for an empty one."""
    return chain[next(reversed(list(chain)))].value if chain else None


def _is_current(
    image: ImageName, chain: dict[ImageName, Stored[ImageHead]], platform: Platform | None
) -> bool:
    """True where the image's own head and its parent's show that it is current.

    A root needs its source for that, and a refresh needs the root: both are read with the whole chain.
    """
    own = chain.get(image)
    if own is None or own.value.registration.parent is None or own.value.registration.max_age is not None:
        return False
    heads = {name: stored.value for name, stored in chain.items()}
    return isinstance(detect_staleness(image, World(heads=heads, sources={}, platform=platform)), Current)


def move_chain(
    heads: Mapping[ImageName, ImageHead], root: ImageName, now: datetime
) -> dict[ImageName, ImageHead]:
    """The heads of a chain, the image's own first, each in the refresh period of `now`."""
    return {name: _in_period(head, root, now) for name, head in heads.items()}


def _in_period(head: ImageHead, root: ImageName, now: datetime) -> ImageHead:
    """The head in the refresh period of `now`. A period never goes back, even if the clock does."""
    period = fingerprints.refresh_period(root, now, head.registration.max_age)
    if period <= head.period:
        return head
    return replace(head, period=period)
