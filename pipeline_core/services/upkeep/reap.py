"""Remove what builds left: container groups, machines with all that belongs to them, versions in quarantine.

What may go is decided by `domain.leases` from tags and the stored build; nothing goes by its name or its age.
It must not touch the live galleries, and it ends no build and frees no slot: the sweep does.

Everything is found in two lists, which the resource manager answers from a cache: the build group's, and that of
the versions in the quarantine gallery across all images. The latter costs a request per 1,000 versions of the
gallery's resource group, and a subscription holds 10,000 per region; a look at each image would cost a request
per image, and rows that remember what is to be removed would not know what came after its build had ended, nor
anything once tables are lost. Beyond the lists a run costs a point read per build that is named, and for each
removal one request and one row of the journal (none for the version of a build that succeeded, which is the
rule). Templates name a build group, so that Packer makes no resource group of its own; its deployments carry no
tags, and the resource manager forgets old ones by itself.
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
from pipeline_core.domain.names import BuildId
from pipeline_core.ports import Galleries, Resources
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore

MOST_OF_A_KIND = 100  # removals of one kind in one run; the next run takes the next ones
_VERSION = "microsoft.compute/galleries/images/versions"
_ORDER = (  # what uses others goes before them
    "microsoft.containerinstance/containergroups",
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
    """What one run found. `removed` counts deletions that were begun, `in_use` those that something still holds.

    `unreadable` stay until a person looks; `postponed` were more than one run takes.
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
    """What one run knows so far."""

    now: datetime
    bulkhead: Bulkhead
    found: list[_Leftover] = field(default_factory=list)
    builds: dict[BuildId, Build | None] = field(default_factory=dict)
    in_use: int = 0
    unreadable: int = 0
    postponed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaper:
    """Level-triggered: what could not be removed is found again by the next run."""

    resources: Resources
    galleries: Galleries
    images: ImageStore
    effects: Effects
    deployment: Deployment

    def reap(self) -> ReapReport:
        """One run over everything that carries our build tag.

        One failure does not keep the rest from being removed. A list that cannot be had, or a kind of which
        nothing can be removed, raises its error once the others are done.
        """
        run = _Run(
            now=self.effects.clock.now(), bulkhead=Bulkhead(logs=self.effects.logs, event="reap-failed-at")
        )
        run.bulkhead.part("build resources", partial(self._find_resources, run))
        run.bulkhead.part("quarantined versions", partial(self._find_versions, run))
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

    def _find_versions(self, run: _Run) -> int:
        listed = self.resources.list_build_versions(self.deployment.quarantine)
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
        judgement = leases.judge(each.tags, self._find_build(run, each), run.now)
        if judgement.needs_person:
            run.unreadable += 1
            self._note("leftover-unreadable", each, judgement)
        if judgement.is_removal:
            removable.append((each, judgement))
        return judgement.is_removal

    def _find_build(self, run: _Run, each: _Leftover) -> Build | None:
        """The build that the tags name, read once in a run: what it once allowed it allows for good."""
        identity = leases.find_build_id(each.tags)
        if identity is None:
            return None
        if identity not in run.builds:
            stored = self.images.find_build(identity)
            run.builds[identity] = None if stored is None else stored.value
        return run.builds[identity]

    def _remove(self, run: _Run, each: _Leftover, judgement: Judgement) -> bool:
        """True where the deletion was begun; what is still in use comes again in the next run."""
        build = self._find_build(run, each)
        if build is not None and not (each.kind == _VERSION and build.result is Result.SUCCEEDED):
            self._write_entry(build, each, judgement)
        try:
            each.remove()
        except TransientError as error:
            if error.error_class is not ErrorClass.CONFLICT:
                raise
            run.in_use += 1
            self._note("leftover-in-use", each, judgement)
            return False
        self._note("leftover-removed", each, judgement)
        return True

    def _write_entry(self, build: Build, each: _Leftover, judgement: Judgement) -> None:
        """One entry for each thing, however often its removal is tried; before the removal, so that none is lost."""
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
    """What is in no list of ours goes last."""
    return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER), kind)


def _in_turn(
    removable: Sequence[tuple[_Leftover, Judgement]], now: datetime
) -> Sequence[tuple[_Leftover, Judgement]]:
    """At most one run's share, beginning elsewhere in each run: what cannot be removed keeps nothing waiting."""
    if len(removable) <= MOST_OF_A_KIND:
        return removable
    first = int(now.timestamp()) // 60 % len(removable)
    return [*removable[first:], *removable[:first]][:MOST_OF_A_KIND]
