"""Raise an alarm, once, for each live version without signed proof.

If the setting says so, it also takes the version out of `latest`. It deletes nothing. It judges nothing that it
cannot look up: a key vault that is down makes no version unproven.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline_core.domain import proofs
from pipeline_core.domain.errors import NotProven
from pipeline_core.domain.journal import Event
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import GalleryImageVersion, VersionState
from pipeline_core.services.effects import latest
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.provenance.provenance import Provenance
from pipeline_core.state.galleries.unproven import UnprovenStore

# A version in one of these states takes no change now. The next look finds it again.
_BUSY = frozenset({VersionState.CREATING, VersionState.UPDATING, VersionState.DELETING})
_DEPTH = 5  # versions of one image that one look reads at most, until it finds a proven one


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """`excludes` is the setting FACTORY_UNPROVEN: also take unproven versions out of `latest`, beside the alarm."""

    store: UnprovenStore
    marks: latest.Marks
    provenance: Provenance
    effects: Effects
    excludes: bool

    def check(self, live: GalleryImageVersion, current: GalleryVersion | None = None) -> bool:
        """True if the version is proven. Costs two reads of blobs, and for an unproven version one read of its row.

        A version that was copied, and that no record of publication knows yet, raises no alarm while it is out of
        `latest`: it is on its way there, and its build writes the record before it lets it in.

        A version up to the image's `current` one is never taken out here: it may be the current one of many images
        that all became unproven at once, and the observer of the galleries decides about those.
        """
        try:
            self.provenance.examine(live)
        except NotProven as error:
            if not error.is_unpublished or latest.may_be_in(live):
                self._raise(live, str(error), current)
            return False
        return True

    def look(
        self, listed: Sequence[GalleryImageVersion], current: GalleryVersion | None
    ) -> frozenset[GalleryVersion]:
        """Raise the alarms of which an event was lost, from a list that was read anyway.

        Gives the versions that the setting wants out of `latest`, for the caller to decide; empty for alarms alone.

        A version without any provenance, or made from another source than its own, is found in the list itself. Of the
        others, it reads the version that `latest` gives, then those below it until one is proven. It costs two reads
        for each image if all is well.
        """
        here = [each for each in listed if each.state is not VersionState.DELETING]
        bare = [
            each
            for each in here
            if not proofs.provenance_of(each.tags) or not self.provenance.is_from_quarantine(each)
        ]
        unproven = {each.version for each in bare}
        for each in bare:
            self.check(each, current)
        offered = [each for each in here if latest.may_be_in(each) and each not in bare]
        for each in sorted(offered, key=_number, reverse=True)[:_DEPTH]:
            if self.check(each, current):
                break
            unproven.add(each.version)
        return frozenset(unproven) if self.excludes else frozenset()

    def _raise(self, live: GalleryImageVersion, why: str, current: GalleryVersion | None) -> None:
        """Raise the alarm, then take the version out where the setting says so.

        The call needs no intent in a version's record (rule 7). The row of the alarm is written before it, and the call
        is for a version above the current one. Nobody asks who took that out: only the current version, and those that
        were current, are held to be a stranger's doing. Where nothing is current, it may be one of them: a person then
        decides about it, as about all that no statement proves. A process that dies before the call leaves the version
        to the next look, one that dies after it leaves nothing to do. An intent would make the version a spare one of
        the factory, which a reuse may let in without a person.
        """
        entry = self.effects.journal.of_image(live.image, Event.UNPROVEN, detail=why[:2000])
        unsent = self.store.raise_once(live.image, live.version, entry)
        if unsent is not None:
            self.effects.outbox.notify(live.image, unsent.value.entry)
            self.store.note_sent(unsent)
        is_above = current is None or live.version > current
        if self.excludes and is_above and latest.may_be_in(live) and live.state not in _BUSY:
            self.marks.take_out(live)
        self.effects.logs.note(
            "version-unproven", image=str(live.image), version=str(live.version), error=why[:1000]
        )


def _number(each: GalleryImageVersion) -> GalleryVersion:
    return each.version
