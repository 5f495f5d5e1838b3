"""Remove the leftovers of builds: container groups, machines with their parts, versions in quarantine.

`domain.leases` decides from the tags and the stored build. Nothing is removed because of its name or its age.
This module must not touch the live galleries. It ends no build and frees no slot: the sweep does.

Two lists give all leftovers, and the resource manager answers them from a cache. One is the list of the build
group. The other is the list of the versions in the quarantine gallery across all images. It costs a request per
1,000 versions of the gallery's resource group, and a subscription holds 10,000 per region. A look at each image
would cost a request per image. Rows of leftovers would miss what appears after the end of a build, and everything
once tables are lost. Besides the lists, a run costs one read of the builds that go on, and a point read for each
build in the tags that is not among them, or whose lease is over. Each removal costs one request and one row of the
journal. The version of a build that succeeded, the usual case, costs no row. Templates name a build group, so that
Packer makes no resource group of its own. Packer's deployments carry no tags, and the resource manager deletes old
deployments itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from pipeline_core.deployment import Deployment
from pipeline_core.domain import attempts, leases
from pipeline_core.domain.builds import Build, Result
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, TransientError
from pipeline_core.domain.journal import Event, standing_key
from pipeline_core.domain.leases import Judgement
from pipeline_core.domain.names import BuildId, GalleryName
from pipeline_core.ports import Galleries, Resources
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.state import images as records
from pipeline_core.state.capacity import CapacityStore
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index

MOST_OF_A_KIND = 100  # removals of one kind in one run; the next run takes the next ones
_VERSION = "microsoft.compute/galleries/images/versions"
_GROUP = "microsoft.containerinstance/containergroups"
_ORDER = (  # a resource that uses others goes before them
    _GROUP,
    _VERSION,
    "microsoft.compute/virtualmachines",
    "microsoft.network/networkinterfaces",
    "microsoft.compute/disks",
    "microsoft.compute/images",
    "microsoft.compute/snapshots",
    "microsoft.network/publicipaddresses",
    "microsoft.network/virtualnetworks",
    "microsoft.network/networksecuritygroups",
    "microsoft.keyvault/vaults",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReapReport:
    """The result of one run. `removed` counts started deletions, `in_use` leftovers that something still uses.

    `unreadable` leftovers stay until a person looks. `postponed` leftovers exceed the share of one run, or the budget.
    """

    found: int
    removed: int
    in_use: int
    unreadable: int
    postponed: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leftover:
    """Something with our build tag; `remove` begins its deletion."""

    name: str
    kind: str
    tags: Mapping[str, str]
    remove: Callable[[], None]


@dataclass(slots=True, kw_only=True)
class _Run:
    """The facts that one run has so far."""

    now: datetime
    bulkhead: Bulkhead
    found: list[_Leftover] = field(default_factory=list)
    builds: dict[BuildId, Build | None] = field(default_factory=dict)
    active: frozenset[BuildId] = frozenset()
    in_use: int = 0
    unreadable: int = 0
    postponed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaper:
    """Level-triggered: the next run finds a leftover again that was not removed."""

    resources: Resources
    galleries: Galleries
    images: ImageStore
    index: Index
    capacity: CapacityStore
    effects: Effects
    deployment: Deployment

    def reap(self) -> ReapReport:
        """One run over everything that carries our build tag.

        One failure does not stop the removal of the rest. The error of a list, or of a kind that was given up after
        too many transient errors, is raised when the others are done.
        """
        run = _Run(
            now=self.effects.clock.now(),
            bulkhead=Bulkhead(logs=self.effects.logs, clock=self.effects.clock, event="reap-failed-at"),
        )
        run.bulkhead.part("build resources", partial(self._find_resources, run))
        for gallery in self.deployment.quarantines:
            run.bulkhead.part(f"versions in {gallery}", partial(self._find_versions, run, gallery))
        if run.found:
            run.bulkhead.part("active builds", partial(self._find_active, run))
        removed = 0
        for kind in sorted({each.kind for each in run.found}, key=_rank):
            removed += run.bulkhead.part(kind, partial(self._remove_kind, run, kind))
        report = ReapReport(
            found=len(run.found),
            removed=removed,
            in_use=run.in_use,
            unreadable=run.unreadable,
            postponed=run.postponed,
            failures=run.bulkhead.failures,
        )
        self.effects.logs.note(
            "reaped",
            found=report.found,
            removed=removed,
            in_use=report.in_use,
            unreadable=report.unreadable,
            postponed=report.postponed,
            failures=report.failures,
        )
        run.bulkhead.settle()
        return report

    def _find_resources(self, run: _Run) -> int:
        listed = self.resources.list_build_resources()
        run.found += [
            _Leftover(
                name=each.id,
                kind=each.type.lower(),
                tags=each.tags,
                remove=partial(self.resources.begin_delete, each),
            )
            for each in listed
        ]
        return len(listed)

    def _find_versions(self, run: _Run, gallery: GalleryName) -> int:
        listed = self.resources.list_build_versions(gallery)
        run.found += [
            _Leftover(
                name=f"{each.gallery}/{each.image}@{each.version}",
                kind=_VERSION,
                tags=each.tags,
                remove=partial(self.galleries.begin_delete, each.gallery, each.image, each.version),
            )
            for each in listed
        ]
        return len(listed)

    def _find_active(self, run: _Run) -> int:
        """The builds that have not reported their end. Where they cannot be read, each build's own row decides."""
        run.active = frozenset(self.index.active())
        return len(run.active)

    def _remove_kind(self, run: _Run, kind: str) -> int:
        removable: list[tuple[_Leftover, Judgement]] = []
        for each in run.found:
            if each.kind == kind:
                run.bulkhead.run(each.name, partial(self._judge, run, each, removable))
        chosen = _in_turn(removable, run.now)
        run.postponed += len(removable) - len(chosen)
        return sum(
            run.bulkhead.run(each.name, partial(self._remove, run, each, judgement))
            for each, judgement in chosen
        )

    def _judge(self, run: _Run, each: _Leftover, removable: list[tuple[_Leftover, Judgement]]) -> bool:
        if leases.find_build_id(each.tags) in run.active and leases.is_leased(each.tags, run.now):
            return False  # also where the build has ended and not reported it: then the next run removes it
        judgement = leases.judge(each.tags, self._find_build(run, each), run.now)
        if judgement.needs_person:
            run.unreadable += 1
            self._note("leftover-unreadable", each, judgement)
        if judgement.is_removal:
            removable.append((each, judgement))
        return judgement.is_removal

    def _find_build(self, run: _Run, each: _Leftover) -> Build | None:
        """The build that the tags name, read once in a run: a removal that it once allowed stays allowed."""
        identity = leases.find_build_id(each.tags)
        if identity is None:
            return None
        if identity not in run.builds:
            stored = self.images.find_build(identity)
            run.builds[identity] = None if stored is None else stored.value
        return run.builds[identity]

    def _remove(self, run: _Run, each: _Leftover, judgement: Judgement) -> bool:
        """True where the deletion has begun. A leftover that is still in use comes again in the next run.

        Deletions of container groups are paid from the budget that builds share. What it does not allow waits too.
        """
        if each.kind == _GROUP and self.capacity.buy_deletion(run.now) is not None:
            run.postponed += 1
            self._note("leftover-waits", each, judgement)
            return False
        build = self._find_build(run, each)
        if build is not None and not (each.kind == _VERSION and build.result is Result.SUCCEEDED):
            self._write_entry(build, each, judgement)
        try:
            each.remove()
        except TransientError as error:
            if each.kind == _GROUP and error.error_class is ErrorClass.THROTTLED:
                self.capacity.pause_deletions(run.now, error.retry_after)
            if error.error_class is not ErrorClass.CONFLICT:
                raise
            run.in_use += 1
            self._note("leftover-in-use", each, judgement)
            return False
        self._note("leftover-removed", each, judgement)
        return True

    def _write_entry(self, build: Build, each: _Leftover, judgement: Judgement) -> None:
        """Write one entry per leftover, even after many tries. It precedes the removal, so that none is lost."""
        detail = f"{each.name}: {judgement.value}"
        since = leases.find_lease(each.tags)
        at = build.phase_since if build.is_finished or since is None else since
        entry = replace(
            self.effects.journal.of_build(build, Event.LEFTOVER, detail=detail),
            key=standing_key(at, each.name),
        )
        try:
            self.images.commit([records.add_entry(entry)])
        except AlreadyExists:
            return

    def _note(self, event: str, each: _Leftover, judgement: Judgement) -> None:
        self.effects.logs.note(
            event,
            image=each.tags.get(attempts.IMAGE_TAG, ""),
            build_id=each.tags.get(attempts.BUILD_TAG, ""),
            subject=each.name,
            lease=each.tags.get(attempts.LEASE_TAG, ""),
            reason=judgement.value,
        )


def _rank(kind: str) -> tuple[int, str]:
    """A kind that is not in `_ORDER` goes last."""
    return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER), kind)


def _in_turn(
    removable: Sequence[tuple[_Leftover, Judgement]], now: datetime
) -> Sequence[tuple[_Leftover, Judgement]]:
    """At most one run's share, from another start in each run, so that a stuck leftover blocks no others."""
    if len(removable) <= MOST_OF_A_KIND:
        return removable
    first = int(now.timestamp()) // 60 % len(removable)
    return [*removable[first:], *removable[:first]][:MOST_OF_A_KIND]
