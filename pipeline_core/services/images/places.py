"""Put an image into its place in the forest, move it, or take it out: one at a time, and nothing is left half done.

All moves pass one ledger. A move is written there first, on the ledger's ETag, when everything around the image allows
it. Then the image is written, in one transaction with the row that decides the move. Then the ledger is cleared. The
sweep completes a move whose process died: of the two, the one that writes the deciding row first has decided it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    PermanentError,
    StaleWrite,
    UnreadableRow,
)
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import MAX_IMAGES, NO_MOVES, Move, MoveLedger
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.sources import MarketplaceSource, Origin, ParentReference
from pipeline_core.ports import TableWrite
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.forest import Forest
from pipeline_core.services.images.poll import Poller
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.lineage import DecidedMove, put_decided
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records
from pipeline_core.wire.problems import InvalidDocument, Problem

LEFT_AFTER = timedelta(
    minutes=5
)  # a request may last 230 s behind Azure's load balancer; then its process is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunMove:
    """A move that is written in the ledger. Its `write` belongs in one transaction with the image."""

    move: Move
    write: TableWrite


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Cost: four reads and three writes for an image that is new, moved or deleted; none for any other change."""

    records: Records
    effects: Effects
    poller: Poller

    def begin(self, image: ImageName, before: Origin | None, after: Origin | None) -> BegunMove | None:
        """Write down that the image is about to move; None where it stays below the same origin.

        `before` is None for a new image, `after` for a deletion. Raises InvalidDocument for a parent that the image
        cannot have, AlreadyExists for a deletion while children exist, PermanentError where the fleet is full, and
        Contended where others move an image that decides.
        """
        if before == after:
            return None
        return changing(
            self.records.lineage.find_ledger,
            lambda stored: self._begin(stored, image, before, after),
            subject="the order of images",
            remedy="send it again",
        )

    def commit(
        self, writes: Sequence[TableWrite], begun: BegunMove | None, *, head: ImageHead | None = None
    ) -> None:
        """Write the image, and decide its move with it. A write that failed gives the move up.

        `head` says who is notified of a deletion.
        """
        try:
            self.records.images.commit(writes if begun is None else [*writes, begun.write], head=head)
        except FactoryError:
            if begun is not None:
                self._give_up(begun.move)
            raise

    def end(self, move: Move, *, is_done: bool) -> None:
        """Clear a move that is decided. Safe to repeat."""

        def clear(stored: Stored[MoveLedger] | None) -> None:
            if stored is not None and move in stored.value.moves:
                self.records.lineage.save_ledger(stored.value.end(move, is_done=is_done), etag=stored.etag)

        changing(self.records.lineage.find_ledger, clear, subject="the order of images", remedy="look again")

    def complete(self, move: Move) -> bool:
        """Decide and clear a move that its own process did not end; False where that process has just decided it."""
        last = self.records.lineage.find_decided(move.image)
        is_decided = last is not None and last.value.number == move.number
        if not is_decided:
            give_up = put_decided(move, last, is_done=False, at=self.effects.clock.now())
            try:
                self.records.images.commit([give_up])
            except RACED:
                return False
        self._restore_index(move)
        self.effects.projection.project(move.image)
        self.end(move, is_done=is_decided and last is not None and last.value.is_done)
        self.effects.logs.note("move-completed", image=str(move.image), was_done=is_decided)
        return True

    def complete_left(self, ledger: MoveLedger) -> int:
        """Complete the moves of the ledger whose process is gone; their number. One that cannot be read waits."""
        return sum(self._complete_readable(move) for move in self._left(ledger))

    def _complete_readable(self, move: Move) -> bool:
        try:
            return self.complete(move)
        except UnreadableRow:
            return False

    def index(self, head: ImageHead) -> None:
        """List the image below its origin, and copy it into the fleet, before it is written itself.

        This process may end in between. An index row of a missing image is a named no-op. An image without an index
        row would never be found.
        """
        self.records.index_origin(head.name, head.registration.origin)
        self.records.index.project(head.name, head)

    def follow(self, head: ImageHead, old: ImageHead | None) -> None:
        """After the image was written: leave its former origin, look at its source, tell its ancestors."""
        origin = head.registration.origin
        if old is not None and old.registration.origin != origin:
            self.leave(old)
        if isinstance(origin, MarketplaceSource):
            self._look_at(origin)
        else:
            self._raise_heights(head)
        self.effects.projection.project(head.name)

    def leave(self, head: ImageHead) -> None:
        """Remove the index row below the image's origin."""
        self._unindex(head.name, head.registration.origin)

    def _give_up(self, move: Move) -> None:
        try:
            self.complete(move)
        except FactoryError as error:  # the sweep completes it
            self.effects.logs.note("move-left", image=str(move.image), error=str(error))

    def _begin(
        self,
        stored: Stored[MoveLedger] | None,
        image: ImageName,
        before: Origin | None,
        after: Origin | None,
    ) -> BegunMove:
        ledger = self._counted(NO_MOVES if stored is None else stored.value)
        if self.complete_left(ledger):
            raise StaleWrite("moves that nobody ended were completed: read the ledger again")
        # A move that stays has a row that cannot be read, or is being ended now. It holds back its own image and what
        # depends on it, and no other.
        forest = Forest(records=self.records, ledger=ledger)
        forest.demand_still(image)
        self._demand_place(forest, image, before, after)
        last = self.records.lineage.find_decided(image)
        now = self.effects.clock.now()
        begun = ledger.begin(image, before, after, now, last=0 if last is None else last.value.number)
        self.records.lineage.save_ledger(begun, etag=None if stored is None else stored.etag)
        return _begun(begun.moves[-1], last)

    def _demand_place(
        self, forest: Forest, image: ImageName, before: Origin | None, after: Origin | None
    ) -> None:
        if after is None:
            child = forest.find_child(image)
            if child is not None:
                raise AlreadyExists(f"{child} is built from {image}: delete or move it first")
            return
        if before is None and (forest.ledger.count or 0) >= MAX_IMAGES:
            raise PermanentError(
                ErrorClass.POLICY,
                f"{image} cannot be registered: the factory has {MAX_IMAGES} images, as many as it may have; delete "
                "one that nobody uses",
            )
        if isinstance(after, ParentReference):
            if self.records.images.find_head(after.image) is None:
                raise InvalidDocument(
                    [
                        Problem(
                            path="spec.parent.image",
                            message=f"{str(after.image)!r} was deleted meanwhile",
                            remedy="choose another parent, or register that one again first",
                        )
                    ]
                )
            problem = forest.find_problem(image, after.image)
            if problem is not None:
                raise InvalidDocument([problem])

    def _counted(self, ledger: MoveLedger) -> MoveLedger:
        """The ledger with the number of images. It is counted once: the fleet has a copy of each registered image."""
        if ledger.count is not None:
            return ledger
        return replace(ledger, count=sum(1 for _ in self.records.fleet.copies()))

    def _left(self, ledger: MoveLedger) -> list[Move]:
        now = self.effects.clock.now()
        return [move for move in ledger.moves if move.begun_at + LEFT_AFTER <= now]

    def _restore_index(self, move: Move) -> None:
        head = self.records.images.find_head(move.image)
        real = None if head is None else head.value.registration.origin
        for origin in (move.before, move.after):
            if origin is not None and origin == real:
                self.records.index_origin(move.image, origin)
            elif origin is not None:
                self._unindex(move.image, origin)

    def _unindex(self, image: ImageName, origin: Origin) -> None:
        if isinstance(origin, MarketplaceSource):
            self.records.index.remove_root(origin, image)
        else:
            # Its current version stays built from the old parent until the next one is published.
            self.records.index.note_moved(origin.image, image)
            self.records.index.remove_child(origin.image, image)

    def _look_at(self, source: MarketplaceSource) -> None:
        try:
            self.poller.poll_one(source)
        except FactoryError as error:  # the timer looks again; the registration stays valid
            self.effects.logs.note("poll-failed", source=source.key, error=str(error))

    def _raise_heights(self, head: ImageHead) -> None:
        """Write the longer chain below them to the ancestors' heads. A lost race costs only priority."""
        height = head.height
        for ancestor in [*Forest(records=self.records).chain(head.name)][1:]:
            height += 1
            stored = self.records.images.find_head(ancestor)
            if stored is None or stored.value.height >= height:
                return
            try:
                self.records.images.commit(
                    [records.put_head(replace(stored.value, height=height), etag=stored.etag)]
                )
            except StaleWrite:
                return
            self.effects.projection.project(ancestor)


def _begun(move: Move, last: Stored[DecidedMove] | None) -> BegunMove:
    return BegunMove(move=move, write=put_decided(move, last, is_done=True, at=move.begun_at))
