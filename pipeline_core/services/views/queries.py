"""Answers for readers. Changes nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline_core.domain import conditions, holds, plan, registered_conditions
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.conditions import Condition
from pipeline_core.domain.errors import NotFound, UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import BuildId, Digest, ImageName, TeamName
from pipeline_core.domain.plan import DoNothing
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.domain.policy import Policy
from pipeline_core.domain.releases import FollowedSource
from pipeline_core.domain.staged_tools import CatalogTool
from pipeline_core.domain.staleness import Platform, Stale, Staleness, Unknown, World, detect_staleness
from pipeline_core.domain.tools import ToolRecord
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.observe import Observer
from pipeline_core.services.outages.outages import Outages
from pipeline_core.services.views import lineage, origins
from pipeline_core.services.views.conditions import ImageConditions
from pipeline_core.services.views.history import History
from pipeline_core.services.views.unreadable import UnreadableRows
from pipeline_core.services.views.views import (
    BuildView,
    ImageDetail,
    ImagePage,
    ImageView,
    LineageView,
    build_view,
    image_view,
    unreadable_view,
)
from pipeline_core.state.index import FleetPage
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

PAGE_LIMIT = 200  # images a page holds at most
_STAGES = {phase.stage: phase for phase in Phase if phase.has_container}
_HISTORY = 50  # builds and journal lines shown with an image
_COPY = "its copy in the fleet cannot be read; the sweep writes it again from the image's own row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queries:
    """Lists read the fleet's projection. One image is read from its own partition."""

    records: Records
    observer: Observer
    held: ImageConditions
    history: History
    unreadable: UnreadableRows
    outages: Outages
    effects: Effects

    def image(self, name: ImageName) -> ImageDetail:
        """One image with the decision that would be made about it now. Raises NotFound, TablesLost.

        Where a row that the decision needs cannot be read, the image is `unknown`, and the rest is shown.
        """
        now = self.effects.clock.now()
        try:
            observation = self.observer.observe(name, now)
        except UnreadableRow as error:
            view, known = self._unknown(name, error)
            return self._begin_history(name, known)(view)
        if observation.head is None:
            self.effects.recovery_log.demand_kept(name)
            if self.records.images.find_former(name) is not None:
                raise NotFound(
                    f"image {name} is not registered: it was deleted; "
                    f"GET /api/images/{name}/versions lists its live versions"
                )
            raise NotFound(f"image {name} is not registered; GET /api/images lists those that are")
        head, snapshot = observation.head.value, observation.snapshot
        opened = self.effects.reads.begin(self.records.breakers.list)
        lost = self.effects.reads.begin(lambda: tuple(origins.lost(self.records, head, snapshot.world.heads)))
        needed = self.effects.reads.begin(lambda: self._needed(head, snapshot.staleness[name]))
        policy = self.effects.reads.begin(self.held.policy)
        approved = self.effects.reads.begin(lambda: self.held.of_approval(head, snapshot.world))
        with_history = self._begin_history(name, head)
        decision = plan.plan(snapshot, now)
        hold = holds.find_hold(snapshot, now)
        rests = decision.detail if isinstance(decision, DoNothing) else ""
        held = (
            *conditions.of_image(head, snapshot.staleness[name], snapshot.find_claim(name), hold),
            *self._by_platform(head, snapshot.staleness[name], opened()),
        )
        taken_out, lacks = conditions.built_from_taken_out(lost()), needed()
        files = self._files_of([head], is_needed=bool(lacks))
        view = image_view(
            head,
            state=decision.why.value if isinstance(decision, DoNothing) else "stale",
            reasons=tuple(str(reason) for reason in decision.reasons),
            detail=rests or ("" if hold is None else hold.message),
            conditions=(
                *held,
                *(() if taken_out is None else (taken_out,)),
                *registered_conditions.of_registration(head, snapshot.world),
                *_of_files(head, snapshot.world.platform, files, lacks),
                *registered_conditions.of_source(head, snapshot.world),
                *approved(),
                *self.held.below(head, snapshot.world, policy()),
                *self.held.of_waivers(head, policy()),
                *self.held.of_receivers(head),
            ),
        )
        return with_history(view)

    def images(self, *, team: TeamName | None = None, after: str = "", limit: int = PAGE_LIMIT) -> ImagePage:
        """A page of images by name, with their freshness. Nine reads at most, whatever is on the page and is built.

        The first one has the heads. The others do not depend on each other, and read what the heads are compared with.
        Sources are read for a page with roots, files of tools for one with images that name tools, and phases for one
        with builds. An image that was last looked at by an older release costs a read of its parent.

        Conditions come with the same page: poison marks and the breaker are in the head. ApprovalEnds, WaiverEnds,
        Blocked, HeldBack and BuiltFromTakenOut are not among them: they need rows that are read only for a single
        image. An image whose row cannot be read is `unknown`; its team is not known either, so a list of one team does
        not have it.
        """
        page = self.records.index.fleet(after=after, limit=min(limit, PAGE_LIMIT))
        if not page.heads and not page.unreadable and not after:
            self._demand_fleet()
        hidden = dict.fromkeys(page.unreadable, _COPY)
        lineage_read = self.effects.reads.begin(self.records.lineage.read)
        platform_read = self.effects.reads.begin(self._find_platform)
        sources_read = self.effects.reads.begin(lambda: self._sources_of(page.heads))
        files_read = self.effects.reads.begin(lambda: self._files_of(page.heads))
        phases_read = self._begin_phases(page.heads)
        policy_read = self.effects.reads.begin(self.held.policy)
        marked_read = self.effects.reads.begin(self.unreadable.by_image)
        known = self._with_parents(page, hidden)
        (ledger, faults), platform = lineage_read(), platform_read()
        if isinstance(platform, UnreadableRow):
            hidden |= {str(head.name): str(platform) for head in page.heads}
            platform = None
        world = World(heads=known, sources=sources_read(), platform=platform, broken=faults)
        phases, policy, marked, files = phases_read(), policy_read(), marked_read(), files_read()
        listed = [
            replace(
                self._listed(
                    head, _around(head, page, world), policy, hidden, marked, files, _root_of(head, page)
                ),
                active_phase=_shown(head, phases.get(head.name)),
            )
            for head in page.heads
            if team is None or head.registration.team == team
        ]
        if team is None:
            listed += [unreadable_view(name, hidden[name], marked.get(name, ())) for name in page.unreadable]
        return ImagePage(
            images=tuple(sorted(listed, key=lambda view: view.name)),
            next=page.after,
            total=ledger.count,
            misplaced=tuple(faults[name].problem for name in sorted(faults)),
        )

    def build(self, identity: BuildId) -> BuildView:
        """One build. Raises NotFound."""
        stored = self.records.images.find_build(identity)
        if stored is None:
            raise NotFound(f"there is no build {identity}; GET /api/images/{identity.image} lists its builds")
        head = None if stored.value.is_finished else self.records.images.find_head(identity.image)
        held = self.history.conditions_of(stored.value, None if head is None else head.value)
        return build_view(stored.value, held)

    def lineage(
        self,
        image: ImageName | None = None,
        *,
        after: Sequence[ImageName] = (),
        limit: int = lineage.PAGE_LIMIT,
    ) -> LineageView:
        """A page of the forest, or of what is above and below one image. Raises NotFound. See `views.lineage`.

        `after` has the names of the former page's cursor: a path of them below an image, else one.
        """
        if image is None:
            return lineage.page_of_fleet(self.records, after=after[-1] if after else None, limit=limit)
        return lineage.around(self.records, self.effects.reads, image, after=after, limit=limit)

    def check(self) -> bool:
        """True if state can be read. Raises the error of the store, and TablesLost where its rows are gone."""
        if not self.records.index.fleet(limit=1).heads:
            self._demand_fleet()
        return True

    def _demand_fleet(self) -> None:
        """A factory without images is new, unless it has lost its records. The platform steps are among these."""
        if self.records.sources.find_platform() is None:
            self.effects.recovery_log.demand_fleet()

    def _begin_history(self, name: ImageName, head: ImageHead | None) -> Callable[[ImageView], ImageDetail]:
        """Begin to read the first pages of an image's history. What comes back puts the image's view before them."""
        history = self.records.history
        builds_read = self.effects.reads.begin(lambda: history.builds(name, limit=_HISTORY))
        journal_read = self.effects.reads.begin(lambda: history.journal(name, limit=_HISTORY))
        running_read = self.effects.reads.begin(
            lambda: None if head is None else self.history.find_running(head)
        )

        def with_history(view: ImageView) -> ImageDetail:
            builds, journal, running = builds_read(), journal_read(), running_read()
            ended = [build_view(build, conditions.of_build(build, head)) for build in builds.builds]
            marked = self.unreadable.of_image(name)  # last: the reads above record what they cannot read
            phase = view.active_phase if running is None else running.phase
            return ImageDetail(
                image=replace(view, active_phase=phase, conditions=(*view.conditions, *marked)),
                etag=None if head is None else head.document_etag,
                definition=None if head is None else str(head.registration.definition),
                bundle=None if head is None else str(head.registration.bundle),
                builds=tuple(ended if running is None else [running, *ended]),
                journal=journal.entries,
                next_builds=builds.after,
                next_journal=journal.after,
            )

        return with_history

    def _unknown(self, name: ImageName, error: UnreadableRow) -> tuple[ImageView, ImageHead | None]:
        """The view of an image of which the own head, or another row that counts, cannot be read."""
        try:
            stored = self.records.images.find_head(name)
        except UnreadableRow:
            stored = None
        if stored is None:
            return unreadable_view(str(name), str(error)), None
        return image_view(stored.value, state="unknown", detail=str(error)), stored.value

    def _begin_phases(self, heads: Sequence[ImageHead]) -> Callable[[], dict[ImageName, Phase]]:
        """The phases of the active builds on a page: a slot shows its stage, and the index the phase after it."""
        building = [(head.name, head.active.build) for head in heads if head.active is not None]
        if not building:
            return dict
        first, last = building[0][0], building[-1][0]
        noted_read = self.effects.reads.begin(lambda: self.records.index.phases(first=first, last=last))
        stages_read = self.effects.reads.begin(self.records.capacity.stages)

        def phases() -> dict[ImageName, Phase]:
            noted, stages = noted_read(), stages_read()
            found = {
                name: _STAGES.get(stages[build]) if build in stages else noted.get(build)
                for name, build in building
            }
            return {name: phase for name, phase in found.items() if phase is not None}

        return phases

    def _with_parents(self, page: FleetPage, hidden: dict[str, str]) -> dict[ImageName, ImageHead]:
        """The heads of a page, and those of parents that no note of the page knows.

        An image whose parent cannot be read goes to `hidden`.
        """
        known = {head.name: head for head in page.heads}
        for head in page.heads:
            parent, note = head.registration.parent, page.notes.get(head.name)
            if parent is None or parent in known or (note is not None and note.parent == parent):
                continue
            try:
                stored = self.records.images.find_head(parent)
            except UnreadableRow as error:
                hidden[str(head.name)] = str(error)
                continue
            if stored is not None:
                known[parent] = stored.value
        return known

    def _find_platform(self) -> Platform | UnreadableRow | None:
        """The platform, or why it cannot be read: then nothing is known of any image, and the rest is shown."""
        try:
            return self.records.sources.find_platform()
        except UnreadableRow as error:
            return error

    def _sources_of(self, heads: Sequence[ImageHead]) -> dict[str, FollowedSource]:
        """The followed sources; none for a page without a root, which nothing compares with a source."""
        has_root = any(head.registration.parent is None for head in heads)
        return self.records.sources.followed() if has_root else {}

    def _files_of(
        self, heads: Sequence[ImageHead], *, is_needed: bool = False
    ) -> Mapping[Digest, ToolRecord]:
        """The records of the tools' files; nothing is read where no image names a tool, and it is not needed."""
        if not is_needed and not any(head.registration.catalog for head in heads):
            return {}
        return {stored.value.sha256: stored.value for stored in self.records.tools.list()}

    def _needed(self, head: ImageHead, staleness: Staleness) -> tuple[CatalogTool, ...]:
        """What the next build lacks, tools of the platform's own steps too; nothing where none is to be built."""
        if not isinstance(staleness, Stale):
            return ()
        return self.effects.needed.missing_of_next(staleness.desired, head.registration)

    def _by_platform(
        self, head: ImageHead, staleness: Staleness, breakers: Sequence[Stored[PlatformBreaker]]
    ) -> tuple[Condition, ...]:
        """The open breakers that are about a stale image, or about one whose pointer is to move."""
        opened = [stored.value for stored in breakers if stored.value.is_open]
        if not opened or not (isinstance(staleness, Stale) or head.doubt is not None):
            return ()
        return conditions.of_platform(opened, self.outages.place_of_image(head.registration))

    def _listed(
        self,
        head: ImageHead,
        world: World,
        policy: Policy | Condition,
        hidden: Mapping[str, str],
        marked: Mapping[str, tuple[Condition, ...]],
        files: Mapping[Digest, ToolRecord],
        root: ImageName | None,
    ) -> ImageView:
        name = str(head.name)
        staleness = Unknown(missing=hidden[name]) if name in hidden else detect_staleness(head.name, world)
        held = (
            *conditions.of_image(head, staleness),
            *registered_conditions.of_registration(head, world),
            *_of_files(head, world.platform, files),
            *registered_conditions.of_source(head, world),
            *self.held.below(head, world, policy, root),
            *marked.get(name, ()),
        )
        match staleness:
            case Stale(reasons=reasons):
                return image_view(head, state="stale", reasons=tuple(map(str, reasons)), conditions=held)
            case Unknown(missing=missing):
                return image_view(head, state="unknown", detail=missing, conditions=held)
            case _:
                return image_view(head, state="current", conditions=held)


def _of_files(
    head: ImageHead,
    platform: Platform | None,
    files: Mapping[Digest, ToolRecord],
    needed: Sequence[CatalogTool] = (),
) -> tuple[Condition, ...]:
    missing = {*needed, *registered_conditions.unadmitted(head, platform, files)}
    return registered_conditions.of_admission(sorted(missing), files)


def _around(head: ImageHead, page: FleetPage, world: World) -> World:
    """The world of one image of a page: its parent's version as the image's last look saw it."""
    parent, note = head.registration.parent, page.notes.get(head.name)
    if parent is None or parent in world.heads or note is None or note.parent_version is None:
        return world
    return replace(world, versions={parent: note.parent_version})


def _root_of(head: ImageHead, page: FleetPage) -> ImageName | None:
    note = page.notes.get(head.name)
    return None if note is None else note.root


def _shown(head: ImageHead, phase: Phase | None) -> str | None:
    """The phase of the active build; without one that is known, the one that the head was last written with."""
    return None if head.active is None else (phase or head.active.phase).value
