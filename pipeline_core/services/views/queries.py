"""Answers for readers. Changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline_core.domain import conditions, holds, plan
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.conditions import Condition
from pipeline_core.domain.errors import NotFound
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import lineage_of
from pipeline_core.domain.looks import LookNote
from pipeline_core.domain.names import BuildId, ImageName, TeamName
from pipeline_core.domain.plan import DoNothing
from pipeline_core.domain.policy import Policy
from pipeline_core.domain.staleness import Stale, Unknown, World, detect_staleness
from pipeline_core.ports import Clock
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
from pipeline_core.state.index import FleetPage
from pipeline_core.state.stores import Records

PAGE_LIMIT = 200  # images a page holds at most
_STAGES = {phase.stage: phase for phase in Phase if phase.has_container}
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

    def image(self, name: ImageName) -> ImageDetail:
        """One image with the decision that would be made about it now. Raises NotFound."""
        now = self.clock.now()
        observation = self.observer.observe(name, now)
        if observation.head is None:
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
                phase=_phase_of(head, builds),
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
        """A page of images by name, with their freshness. Six reads, whatever is on the page and whatever is built.

        An image that was last looked at by an older release costs a read of its parent.
        Conditions come with the same page: poison marks and the breaker are in the head. Blocked and HeldBack
        are not among them: they need the claims, which are read only for a single image.
        """
        page = self.records.index.fleet(after=after, limit=min(limit, PAGE_LIMIT))
        world, phases = self._world(page), self._phases(page.heads)
        policy = self.policies.seen()
        listed = tuple(
            self._listed(
                head, _around(head, page, world), policy, phases.get(head.name), page.notes.get(head.name)
            )
            for head in page.heads
            if team is None or head.registration.team == team
        )
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
        """True if state can be read. If not, it raises the error of the store."""
        self.records.index.fleet(limit=1)
        return True

    def _phases(self, heads: tuple[ImageHead, ...]) -> dict[ImageName, Phase]:
        """The phases of the active builds on a page: a slot shows its stage, and the index the phase after it."""
        building = [head for head in heads if head.active is not None]
        if not building:
            return {}
        noted = self.records.index.phases(first=building[0].name, last=building[-1].name)
        stages = self.records.capacity.stages()
        found: dict[ImageName, Phase] = {}
        for head in building:
            if head.active is None:
                continue
            stage = stages.get(head.active.build)
            phase = _STAGES.get(stage) if stage is not None else noted.get(head.active.build)
            if phase is not None:
                found[head.name] = phase
        return found

    def _world(self, page: FleetPage) -> World:
        """The heads of a page, and those of parents that no note of the page knows."""
        known = {head.name: head for head in page.heads}
        for head in page.heads:
            parent, note = head.registration.parent, page.notes.get(head.name)
            if parent is None or parent in known or (note is not None and note.parent == parent):
                continue
            stored = self.records.images.find_head(parent)
            if stored is not None:
                known[parent] = stored.value
        return World(
            heads=known,
            sources=self.records.sources.followed(),
            platform=self.records.sources.find_platform(),
        )

    def _below(
        self, head: ImageHead, world: World, policy: Policy, root: ImageName | None = None
    ) -> tuple[Condition, ...]:
        found = self.floors.find_condition(head, policy, world.heads, self.clock.now(), root)
        return () if found is None else (found,)

    def _listed(
        self, head: ImageHead, world: World, policy: Policy, phase: Phase | None, note: LookNote | None
    ) -> ImageView:
        staleness = detect_staleness(head.name, world)
        held = (
            *conditions.of_image(head, staleness),
            *conditions.of_source(head, world),
            *self._below(head, world, policy, None if note is None else note.root),
        )
        view = partial(image_view, head, conditions=held, phase=phase)
        match staleness:
            case Stale(reasons=reasons):
                return view(state="stale", reasons=tuple(map(str, reasons)))
            case Unknown(missing=missing):
                return view(state="unknown", detail=missing)
            case _:
                return view(state="current")


def _around(head: ImageHead, page: FleetPage, world: World) -> World:
    """The world of one image of a page: its parent's version as the image's last look saw it."""
    parent, note = head.registration.parent, page.notes.get(head.name)
    if parent is None or parent in world.heads or note is None or note.parent_version is None:
        return world
    return replace(world, versions={parent: note.parent_version})


def _phase_of(head: ImageHead, builds: Sequence[Build]) -> Phase | None:
    active = head.active
    return next((build.phase for build in builds if active is not None and build.id == active.build), None)
