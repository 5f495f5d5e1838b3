"""Remove bundles that nobody has used for 30 days, a slice a run, each round a day after the one before.

What is not known counts as in use: where a row or an entry that could name a bundle cannot be read, or is not there,
nothing is removed in this round. Each slice gets on, however slow the tables are: its time begins when it is known
what is used, and it looks at one record at least.

`services.effects.bundles` says why an upload or a registration at the same moment never loses its bundle. An older
release that stores or registers a doomed bundle is safe but between two calls of one removal.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from pipeline_core.domain import rounds
from pipeline_core.domain.bundle_owners import BundleRecord
from pipeline_core.domain.errors import (
    AlreadyExists,
    FactoryError,
    NotFound,
    StaleWrite,
    TablesLost,
    TransientError,
)
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import BuildId, Digest, ImageName
from pipeline_core.domain.rounds import Round
from pipeline_core.ports import Blobs
from pipeline_core.services.effects.bundles import CONTAINER, blob_of
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

ROUND = "bundles"
NAMES = "bundle-names"  # a round over the names of the recovery log, one for each round that has something to remove
_EVERY = timedelta(hours=20)
_SLICE = 500  # records
_NAMES = 500  # deleted images that a slice looks at
_TIME = timedelta(minutes=1)  # for names and again for records: slices of retention and history come before
_BUILDS = 200  # active builds that are read; where there are more, the next round looks again


@dataclass(slots=True, kw_only=True)
class _BundleSlice:
    after: str  # the last digest that was looked at
    is_over: bool = False
    removed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRetention:
    """A quiet run costs one read.

    A slice costs three operations and, where a record is ten days old, the fleet's copies and the rows of the active
    builds once; then one write of a record for a bundle in use, or four operations for one that is removed. Before its
    first such slice a round reads one row for each deleted image, and where there is none, its entry in the log.
    """

    records: Records
    effects: Effects
    blobs: Blobs

    def remove(self) -> int:
        """The number of bundles that the slice removed. A bundle that fails is skipped, and comes in the next round.

        Raises TransientError after too many transient errors; the next slice goes on behind the last bundle.
        """
        now = self.effects.clock.now()
        last = self.records.rounds.find(ROUND)
        current = rounds.resume(None if last is None else last.value, now, _EVERY)
        if current is None:
            return 0
        page = self.records.bundles.page(after=current.after, limit=_SLICE)
        old = [stored for stored in page.records if stored.value.is_stale(now)]
        run = _BundleSlice(after=current.after)
        try:
            used = self._used(current) if old else frozenset()
            if used is not None and self._look_at_all(old, used, run):
                run.after, run.is_over = page.after or "", page.after is None
        except FactoryError as error:
            if isinstance(error, TransientError) and not isinstance(error, TablesLost):
                raise
            self.effects.logs.note("bundles-kept", error=str(error)[:600])
            run.after, run.is_over = "", True
        finally:
            self._save(ROUND, rounds.advance(current, run.after, is_over=run.is_over), last)
        return run.removed

    def _save(self, kind: str, current: Round, last: Stored[Round] | None) -> None:
        try:
            self.records.rounds.save(kind, current, etag=None if last is None else last.etag)
        except (AlreadyExists, StaleWrite):  # another slice ran at the same time, and its place is as good
            self.effects.logs.note("bundles-raced", subject=current.after)

    def _look_at_all(self, old: Sequence[Stored[BundleRecord]], used: Set[Digest], run: _BundleSlice) -> bool:
        """Look at one record or more; False where the time was over before all of them."""
        until = self.effects.clock.now() + _TIME
        bulkhead = Bulkhead(logs=self.effects.logs, clock=self.effects.clock, event="bundle-failed")
        for count, stored in enumerate(old):
            if count and self.effects.clock.now() >= until:
                self.effects.logs.note("bundles-cut-short", subject=run.after, count=len(old) - count)
                return False
            run.removed += bulkhead.run(str(stored.value.digest), partial(self._look_at, stored, used))
            run.after = str(stored.value.digest)
        return True

    def _look_at(self, stored: Stored[BundleRecord], used: Set[Digest]) -> bool:
        """Touch the record of a bundle in use; remove one that is unused. True where its content is gone."""
        record, now = stored.value, self.effects.clock.now()
        try:
            if record.digest in used:
                if not record.doomed:
                    self.records.bundles.save(record.adding((), now), etag=stored.etag)
                return False
            return record.is_unused(now) and self._remove(record, stored.etag)
        except StaleWrite:  # somebody has touched it, brought it again, or removed it
            return False

    def _remove(self, record: BundleRecord, etag: str) -> bool:
        facts = self.blobs.find_facts(CONTAINER, blob_of(record.digest))
        if facts is not None:
            if record.doomed != facts.etag:
                etag = self.records.bundles.save(record.dooming(facts.etag), etag=etag)
            self.blobs.delete(CONTAINER, blob_of(record.digest), etag=facts.etag)
        self.records.bundles.delete(record.digest, etag=etag)
        self.effects.logs.note(
            "bundle-removed", digest=str(record.digest), size=0 if facts is None else facts.size
        )
        return True

    def _used(self, current: Round) -> frozenset[Digest] | None:
        """What images, their current versions, active builds and the platform name.

        None where names of the recovery log are left for the next slice. Raises FactoryError where something that
        could name a bundle is not known.
        """
        heads = list(self._heads())
        self._demand_count(heads)
        if not self._demand_names({head.name for head in heads}, current):
            return None
        return frozenset([*self._of_images(heads), *self._of_builds(heads), *self._of_platform()])

    def _heads(self) -> Iterator[ImageHead]:
        for copy in self.records.fleet.copies():
            if copy.head is None:
                raise NotFound(f"the copy of {copy.name} cannot be read")
            yield copy.head

    def _demand_count(self, heads: Sequence[ImageHead]) -> None:
        """Raise TablesLost where fewer images have a copy than the ledger has counted, or where none is counted."""
        ledger = self.records.lineage.find_ledger()
        count = None if ledger is None else ledger.value.count
        if count is None and not heads:
            self.effects.recovery_log.demand_fleet()
        elif count is None or len(heads) < count:
            raise TablesLost(f"{len(heads)} images have a copy, and {count} are registered")

    def _demand_names(self, known: Set[ImageName], current: Round) -> bool:
        """Raise TablesLost for a name of the recovery log that has no copy and was not deleted.

        A lost ledger is counted from the copies that are left, so its count does not show what was lost with it. The
        log does, once in each round: a name at a time, because a deleted image has its row in a partition of its own.
        False where names are left for the next slice. A copy that is lost in between is missing in the count.
        """
        last = self.records.rounds.find(NAMES)
        names = Round(began_at=current.began_at)
        if last is not None and last.value.began_at == current.began_at:
            names = last.value
        if names.is_over:
            return True
        left = (
            name
            for name in self.effects.recovery_log.images()
            if str(name) > names.after and name not in known
        )
        after, is_over, until = names.after, False, self.effects.clock.now() + _TIME
        try:
            for count, name in enumerate(left):
                if count >= _NAMES or (count and self.effects.clock.now() >= until):
                    self.effects.logs.note("bundle-names-cut-short", subject=after, count=count)
                    return False
                if self.records.images.find_former(name) is None:
                    self.effects.recovery_log.demand_kept(name)
                after = str(name)
            is_over = True
        finally:
            self._save(NAMES, rounds.advance(names, after, is_over=is_over), last)
        return True

    def _of_images(self, heads: list[ImageHead]) -> Iterator[Digest]:
        for head in heads:
            yield head.registration.bundle
            if head.current is not None:
                yield head.current.inputs.bundle
                yield head.current.inputs.platform

    def _of_builds(self, heads: list[ImageHead]) -> Iterator[Digest]:
        active: set[BuildId] = set(self.records.index.active())
        active |= {head.active.build for head in heads if head.active is not None}
        if len(active) > _BUILDS:
            raise NotFound(f"{len(active)} builds have not ended, and {_BUILDS} are looked at")
        for build in sorted(active):
            stored = self.records.images.find_build(build)
            if stored is None:
                raise NotFound(f"the row of build {build} is not there")
            yield stored.value.inputs.bundle
            yield stored.value.inputs.platform

    def _of_platform(self) -> Iterator[Digest]:
        platform = self.records.sources.find_platform()
        if platform is not None:
            yield platform.digest
            if platform.trial is not None:
                yield platform.trial.digest
        entry = self.effects.recovery_log.find_platform()
        if entry is not None:
            yield Digest(entry.digest)
            if entry.trial is not None:
                yield Digest(entry.trial.digest)
