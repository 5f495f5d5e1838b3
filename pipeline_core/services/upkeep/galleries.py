"""Looks at every live gallery within an hour, a slice each run: first the images that differed, then the next ones."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.observed import Suspect
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.upkeep.bulkhead import Bulkhead
from pipeline_core.services.versions.names import ReservedNames
from pipeline_core.services.versions.observer import GalleryObserver
from pipeline_core.services.versions.suspicion import Suspicion
from pipeline_core.state.galleries.observations import GalleryRound
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records

_RUNS = 9  # in which a round ends; with a run every five minutes and a second look it stays within the hour
_LEAST = 50  # images of one run, so that a small fleet is looked at as a whole
_FIRST = 1000  # images of a run of the first round, whose size is not known yet
_DELETED = 50  # deleted images of one run, each with a list call
_PATIENCE = timedelta(minutes=4)  # of one run: the next one goes on where it stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class GallerySweep:
    """Costs one list call and two reads of blobs for each image of the slice, and three rows."""

    records: Records
    observer: GalleryObserver
    suspicion: Suspicion
    names: ReservedNames
    effects: Effects

    def observe(self) -> int:
        """The number of images whose gallery differed. An image that cannot be looked at is logged and passed over."""
        bulkhead = Bulkhead(logs=self.effects.logs, clock=self.effects.clock, event="observe-failed-at")
        ends = self.effects.clock.now() + _PATIENCE
        differed = 0
        bulkhead.run("galleries.doubted", self.suspicion.announce)
        for suspect in self.suspicion.waiting():
            differed += bulkhead.run(str(suspect.image), partial(self._look_again, suspect))
        stored = self.records.observations.find_round()
        here, looked = stored.value, 0
        for head in self._slice(here):
            if self.effects.clock.now() >= ends:
                break
            differed += bulkhead.run(str(head.name), partial(self.observer.look, head))
            here, looked = replace(here, after=str(head.name), seen=here.seen + 1), looked + 1
        ahead = self.records.index.fleet(after=here.after, limit=1)
        if not ahead.heads and not ahead.unreadable:
            here = GalleryRound(size=here.seen, deleted=here.deleted)
        here = self._look_at_deleted(here, bulkhead, ends)
        self._save(here, stored)
        self.effects.logs.note(
            "galleries-observed", images=looked, differed=differed, failures=bulkhead.failures
        )
        return differed

    def _look_at_deleted(self, here: GalleryRound, bulkhead: Bulkhead, ends: datetime) -> GalleryRound:
        """Look at the next deleted images whose names are reserved. Costs one read where there are none."""
        names = self.records.reserved.names(after=here.deleted, limit=_DELETED)
        for name in names:
            if self.effects.clock.now() >= ends:
                return here
            bulkhead.run(name, partial(self.names.look, ImageName(name)))
            here = replace(here, deleted=name)
        return here if len(names) == _DELETED else replace(here, deleted="")

    def _slice(self, here: GalleryRound) -> Iterator[ImageHead]:
        left, after = _share_of(here), here.after
        while left > 0:
            page = self.records.index.fleet(after=after, limit=left)
            yield from page.heads
            left -= len(page.heads)
            if page.after is None:
                return
            after = page.after

    def _look_again(self, suspect: Suspect) -> bool:
        """A suspect whose version is not current any more, or about which a look finds no doubt, is none."""
        name = suspect.image
        head = self.records.images.find_head(name)
        current = None if head is None else head.value.current
        if head is None or current is None or current.version != suspect.version:
            self.suspicion.clear(name)
            return head is not None and self.observer.look(head.value)
        differs = self.observer.look(head.value)
        if not differs and head.value.doubt is None:
            self.suspicion.clear(name)  # the look was quiet, and a quiet one reads no suspects
        return differs

    def _save(self, here: GalleryRound, stored: Stored[GalleryRound]) -> None:
        if here == stored.value:
            return
        try:
            self.records.observations.save_round(here, etag=stored.etag)
        except (AlreadyExists, StaleWrite):
            self.effects.logs.note("observed-twice")  # another run has looked at the same slice


def _share_of(here: GalleryRound) -> int:
    return max(_LEAST, -(-here.size // _RUNS)) if here.size else _FIRST
