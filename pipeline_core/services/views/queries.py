"""Answers for readers. Changes nothing."""

from dataclasses import dataclass

from pipeline_core.domain import conditions, holds, plan
from pipeline_core.domain.conditions import Condition
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import lineage_of
from pipeline_core.domain.names import BuildId, ImageName, TeamName
from pipeline_core.domain.plan import DoNothing
from pipeline_core.domain.policy import Policy
from pipeline_core.domain.staleness import Stale, Unknown, World, detect_staleness
from pipeline_core.ports import Clock
from pipeline_core.services.effects.recovery_log import RecoveryLog
from pipeline_core.services.images.observe import Observer
from pipeline_core.services.policies.floors import PolicyRules
from pipeline_core.services.policies.policy import Policies
from pipeline_core.services.views.views import (
    BuildView,
    ImageDetail,
    ImagePage,
    ImageView,
    LineageView,
    build_view,
    image_view,
)
from pipeline_core.state.stores import Records

PAGE_LIMIT = 200  # images a page holds at most
_HISTORY = 50  # builds and journal lines shown with an image
_READ = 1000  # rows of one image that a read covers


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """Lists read the fleet's projection. One image is read from its own partition."""

    records: Records
    observer: Observer
    policies: Policies
    floors: PolicyRules
    clock: Clock
    recovery_log: RecoveryLog

    def image(self, name: ImageName) -> ImageDetail:
        """One image with the decision that would be made about it now. Raises NotFound, TablesLost."""
        now = self.clock.now()
        observation = self.observer.observe(name, now)
        if observation.head is None:
            self.recovery_log.demand_kept(name)
            raise NotFound(f"image {name} is not registered; GET /api/images lists those that are")
        decision = plan.plan(observation.snapshot, now)
        hold = holds.find_hold(observation.snapshot, now)
        rests = decision.detail if isinstance(decision, DoNothing) else ""
        held = conditions.of_image(
            observation.head.value,
            observation.snapshot.staleness[name],
            observation.snapshot.find_claim(name),
            hold,
        )
        builds = sorted(
            self.records.images.list_builds(name, limit=_READ),
            key=lambda build: build.created_at,
            reverse=True,
        )
        journal = list(self.records.images.list_journal(name, limit=_READ))[::-1]
        head = observation.head.value
        return ImageDetail(
            image=image_view(
                head,
                state=decision.why.value if isinstance(decision, DoNothing) else "stale",
                reasons=tuple(str(reason) for reason in decision.reasons),
                detail=rests or ("" if hold is None else hold.message),
                conditions=(
                    *held,
                    *conditions.of_source(head, observation.snapshot.world),
                    *self._below(head, observation.snapshot.world, self.policies.seen()),
                ),
            ),
            etag=head.document_etag,
            definition=str(head.registration.definition),
            bundle=str(head.registration.bundle),
            builds=tuple(build_view(build, conditions.of_build(build, head)) for build in builds[:_HISTORY]),
            journal=tuple(journal[:_HISTORY]),
        )

    def images(self, *, team: TeamName | None = None, after: str = "", limit: int = PAGE_LIMIT) -> ImagePage:
        """A page of images by name, with their freshness.

        Conditions come with the same page: poison marks and the breaker are in the head. Blocked and HeldBack
        are not among them: they need the claims, which are read only for a single image.
        """
        page = self.records.index.fleet(after=after, limit=min(limit, PAGE_LIMIT))
        if not page.heads and not after:
            self._demand_fleet()
        heads = tuple(self._as_it_is(head) for head in page.heads)
        world = self._world(heads)
        shown = [head for head in heads if team is None or head.registration.team == team]
        policy = self.policies.seen()
        listed = tuple(self._listed(head, world, policy) for head in shown)
        return ImagePage(images=listed, next=page.after)

    def build(self, identity: BuildId) -> BuildView:
        """One build. Raises NotFound."""
        stored = self.records.images.find_build(identity)
        if stored is None:
            raise NotFound(f"there is no build {identity}; GET /api/images/{identity.image} lists its builds")
        head = None if stored.value.is_finished else self.records.images.find_head(identity.image)
        held = conditions.of_build(stored.value, None if head is None else head.value)
        return build_view(stored.value, held)

    def lineage(self) -> LineageView:
        """The whole forest. The cost grows with the size of the fleet."""
        lineage = lineage_of({head.name: head.registration.parent for head in self.records.index.heads()})
        return LineageView(
            levels=tuple(tuple(map(str, level)) for level in lineage.by_level()),
            parents={
                str(name): None if parent is None else str(parent) for name, parent in lineage.parents.items()
            },
            errors=lineage.errors,
        )

    def check(self) -> bool:
        """True if state can be read. Raises the error of the store, and TablesLost where its rows are gone."""
        if not self.records.index.fleet(limit=1).heads:
            self._demand_fleet()
        return True

    def _demand_fleet(self) -> None:
        """A factory without images is new, unless it has lost its records. The platform steps are among these."""
        if self.records.sources.find_platform() is None:
            self.recovery_log.demand_fleet()

    def _as_it_is(self, head: ImageHead) -> ImageHead:
        """The projection follows the beginning and the end of a build. A running build is read from its own row."""
        stored = None if head.active is None else self.records.images.find_head(head.name)
        return head if stored is None else stored.value

    def _world(self, heads: tuple[ImageHead, ...]) -> World:
        known = {head.name: head for head in heads}
        for head in heads:
            parent = head.registration.parent
            if parent is not None and parent not in known:
                stored = self.records.images.find_head(parent)
                if stored is not None:
                    known[parent] = stored.value
        return World(
            heads=known,
            sources=self.records.sources.followed(),
            platform=self.records.sources.find_platform(),
        )

    def _below(self, head: ImageHead, world: World, policy: Policy) -> tuple[Condition, ...]:
        found = self.floors.find_condition(head, policy, world.heads, self.clock.now())
        return () if found is None else (found,)

    def _listed(self, head: ImageHead, world: World, policy: Policy) -> ImageView:
        staleness = detect_staleness(head.name, world)
        held = (
            *conditions.of_image(head, staleness),
            *conditions.of_source(head, world),
            *self._below(head, world, policy),
        )
        match staleness:
            case Stale(reasons=reasons):
                return image_view(head, state="stale", reasons=tuple(map(str, reasons)), conditions=held)
            case Unknown(missing=missing):
                return image_view(head, state="unknown", detail=missing, conditions=held)
            case _:
                return image_view(head, state="current", conditions=held)
