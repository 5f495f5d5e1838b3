"""Remove bundles that nobody has used for 30 days, a slice a run, each round a day after the one before.

What is not known counts as in use: where a row or an entry that could name a bundle cannot be read, or is not there,
nothing is removed in this round. `services.effects.bundles` says why an upload or a registration at the same moment
never loses its bundle. An older release that stores or registers a doomed bundle is safe but between two calls of one
removal.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from pipeline_core.domain import rounds
from pipeline_core.domain.bundle_owners import BundleRecord
from pipeline_core.domain.errors import (
    AlreadyExists,
    MalformedMessage,
    NotFound,
    StaleWrite,
    TablesLost,
    UnreadableRow,
)
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import BuildId, Digest
from pipeline_core.domain.rounds import Round
from pipeline_core.ports import Blobs
from pipeline_core.services.effects.bundles import CONTAINER, blob_of
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

ROUND = "bundles"
_EVERY = timedelta(hours=20)
_SLICE = 500  # records
_TIME = timedelta(minutes=1)  # of one slice, which follows slices of retention and history in one function
_BUILDS = 200  # active builds that are read; where there are more, the next round looks again
_UNKNOWN = (MalformedMessage, NotFound, TablesLost, UnreadableRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleRetention:
    """A quiet run costs one read.

    A slice costs three operations and, where a record is ten days old, the fleet's copies and the list of the recovery
    log once, the rows of the active builds and one row for each deleted image; then one write of a record for a bundle
    in use, or four operations for one that is removed.
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
        try:
            used = self._used() if old else frozenset()
        except _UNKNOWN as error:
            self.effects.logs.note("bundles-kept", error=str(error)[:600])
            self._save(rounds.advance(current, "", is_over=True), last)
            return 0
        bulkhead = Bulkhead(logs=self.effects.logs, clock=self.effects.clock, event="bundle-failed")
        removed, after, is_whole = 0, current.after, False
        try:
            for stored in old:
                if self.effects.clock.now() >= now + _TIME:
                    break
                removed += bulkhead.run(str(stored.value.digest), partial(self._look_at, stored, used))
                after = str(stored.value.digest)
            else:
                after, is_whole = page.after or "", True
        finally:
            self._save(rounds.advance(current, after, is_over=is_whole and page.after is None), last)
        return removed

    def _save(self, current: Round, last: Stored[Round] | None) -> None:
        try:
            self.records.rounds.save(ROUND, current, etag=None if last is None else last.etag)
        except (AlreadyExists, StaleWrite):  # another slice ran at the same time, and its place is as good
            self.effects.logs.note("bundles-raced", subject=current.after)

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

    def _used(self) -> frozenset[Digest]:
        """What images, their current versions, active builds and the platform name. Raises one of _UNKNOWN."""
        heads = list(self._heads())
        self._demand_whole(heads)
        return frozenset([*self._of_images(heads), *self._of_builds(heads), *self._of_platform()])

    def _heads(self) -> Iterator[ImageHead]:
        for copy in self.records.fleet.copies():
            if copy.head is None:
                raise NotFound(f"the copy of {copy.name} cannot be read")
            yield copy.head

    def _demand_whole(self, heads: list[ImageHead]) -> None:
        """Raise TablesLost unless every registered image has its copy. The recovery log names them all."""
        ledger = self.records.lineage.find_ledger()
        count = None if ledger is None else ledger.value.count
        if heads and (count is None or len(heads) < count):
            raise TablesLost(f"{len(heads)} images have a copy, and {count} are registered")
        known = {head.name for head in heads}
        for name in self.effects.recovery_log.images():
            if name not in known and self.records.images.find_former(name) is None:
                self.effects.recovery_log.demand_kept(name)

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
        entry = self.effects.recovery_log.find_platform()
        if entry is not None:
            yield Digest(entry.digest)
