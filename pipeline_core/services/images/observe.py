"""Read the stores into a frozen snapshot of one image and its ancestors. It decides nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline_core.domain import fingerprint as fingerprints
from pipeline_core.domain.claims import Claim
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import MAX_DEPTH
from pipeline_core.domain.names import Fingerprint, ImageName
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.snapshot import Snapshot, take_snapshot
from pipeline_core.domain.sources import MarketplaceSource
from pipeline_core.domain.staleness import Current, Platform, World, detect_staleness
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
    had refused an image of the chain.
    """

    def __init__(self, records: Records, policy: Policies) -> None:
        self._images = records.images
        self._sources = records.sources
        self._policy = policy

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
        its decision needs none.
        Raises PermanentError where the chain is deeper than MAX_DEPTH or is a cycle.
        """
        chain = self._chain({}, image, known, most=1)
        is_brief = brief is not None and any(brief(stored.value) for stored in chain.values())
        chain = self._onwards(chain, most=2 if is_brief else None)
        platform = self._sources.find_platform()
        if is_brief and _is_current(image, chain, platform):
            heads = {name: stored.value for name, stored in chain.items()}
            taken = take_snapshot(image, World(heads=heads, sources={}, platform=platform))
            return Observation(snapshot=taken, head=chain.get(image), claims={})
        if is_brief:
            chain = self._onwards(chain, most=None)
        heads = {name: stored.value for name, stored in chain.items()}
        root = heads[next(reversed(heads))] if heads else None
        if image in heads and root is not None:
            heads[image] = _in_period(heads[image], root.name, now)
        world = World(heads=heads, sources=self._followed(root), platform=platform)
        taken = take_snapshot(image, world)
        claims = self._claims(taken)
        held = {key: stored.value for key, stored in claims.items()}
        was_refused = root is not None and any(claim.floor is not None for claim in held.values())
        floor = self._policy.find_floor(root.name) if root is not None and was_refused else None
        return Observation(
            snapshot=replace(taken, claims=held, floor=floor), head=chain.get(image), claims=claims
        )

    def _onwards(
        self, chain: dict[ImageName, Stored[ImageHead]], *, most: int | None
    ) -> dict[ImageName, Stored[ImageHead]]:
        """The chain, continued above its last image."""
        if not chain:
            return chain
        last = next(reversed(chain.values())).value
        return self._chain(chain, last.registration.parent, None, most=most)

    def _chain(
        self,
        chain: dict[ImageName, Stored[ImageHead]],
        first: ImageName | None,
        known: Stored[ImageHead] | None,
        *,
        most: int | None,
    ) -> dict[ImageName, Stored[ImageHead]]:
        """The heads of `chain`, and those from `first` up to the root, but not more than `most` in all."""
        image = next(iter(chain), first)
        name = first
        while name is not None and (most is None or len(chain) < most):
            if name in chain or len(chain) > MAX_DEPTH:
                raise PermanentError(
                    ErrorClass.POLICY,
                    f"the ancestors of {image} do not end: {name} is in a cycle"
                    f" or beyond level {MAX_DEPTH}; repair the parents",
                )
            stored, known = known or self._images.find_head(name), None
            if stored is None:
                break
            chain[name] = stored
            name = stored.value.registration.parent
        return chain

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


def _in_period(head: ImageHead, root: ImageName, now: datetime) -> ImageHead:
    """The head in the refresh period of `now`. A period never goes back, even if the clock does."""
    period = fingerprints.refresh_period(root, now, head.registration.max_age)
    if period <= head.period:
        return head
    return replace(head, period=period)
