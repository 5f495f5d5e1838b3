"""Counts the images whose gallery differs, and raises one alarm where there are too many to be believed."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pipeline_core.domain import access, observed
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import AlreadyExists
from pipeline_core.domain.images import Doubt
from pipeline_core.domain.journal import Event, standing_key
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.observed import Suspect, Suspects
from pipeline_core.ports import Principal
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import RACED, changing
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """One row holds the suspects. It is read for each image that differs, and for none that does not."""

    records: Records
    effects: Effects

    def note(self, image: ImageName, doubt: Doubt, *, is_moved: bool = False) -> bool:
        """Count the image; True where its pointer may move. Too many raise one alarm, and nothing moves."""
        now = self.effects.clock.now()
        suspect = Suspect(
            image=image,
            kind=doubt.kind,
            version=doubt.version,
            since=now if is_moved else doubt.since,
            is_moved=is_moved,
        )
        after = self._change(lambda found: found.adding(suspect))
        self._announce(after)
        return not after.are_too_many

    def announce(self) -> bool:
        """Raise an alarm that could not be written into the journal, or not be noted as raised. True where one was."""
        return self._announce(self.seen())

    def clear(self, image: ImageName) -> None:
        """The image no longer differs. One that was moved counts for the rest of its hour."""
        stored = self.records.observations.find_suspects()
        found = stored.value.find(image)
        if found is not None and not found.is_moved:
            self._change(lambda suspects: suspects.without(image))

    def waiting(self) -> Sequence[Suspect]:
        """The images that differ and were not moved yet: each is due for another look."""
        suspects = self.records.observations.find_suspects().value.suspects
        return [each for each in suspects if not each.is_moved]

    def seen(self) -> Suspects:
        """What is suspected now, for readers."""
        return self.records.observations.find_suspects().value

    def accept(self, principal: Principal, reason: str) -> Suspects:
        """SecOps have looked: for an hour the looks are believed, whatever their number.

        The journal of each image that differs gets a line, before anything may move. Costs one write for each.
        Raises PermanentError: PERMISSION for others, POLICY without a reason.
        """
        access.demand(ApiOperation.ACCEPT_GALLERIES, principal)
        why = access.demand_reason(reason, "the journal of each image that differs")
        until = self.effects.clock.now() + observed.HOUR
        for suspect in self.seen().suspects:
            entry = self.effects.journal.of_image(
                suspect.image,
                Event.GALLERIES_ACCEPTED,
                actor=principal.actor,
                detail=f"what the galleries show is believed until {until:%Y-%m-%d %H:%M} UTC: {why[:1000]}",
            )
            self.records.images.commit([records.add_entry(entry)])
        actor = principal.actor
        after = self._change(
            lambda found: replace(
                found, accepted_until=until, accepted_by=actor.name, accepted_identity=actor.identity
            )
        )
        self.effects.logs.note(
            "galleries-accepted", actor=actor.identity, reason=why[:1000], images=len(after.suspects)
        )
        return after

    def _change(self, change: Callable[[Suspects], Suspects]) -> Suspects:
        """The suspects as they are stored then."""
        store, now = self.records.observations, self.effects.clock.now()
        fleet = store.find_round().value.size

        def write(stored: Stored[Suspects]) -> Suspects:
            after = change(stored.value).judged(fleet, now)
            if after != stored.value:
                store.save_suspects(after, etag=stored.etag)
            return after

        return changing(store.find_suspects, write, subject="the list of images that differ", lost=RACED)

    def _announce(self, suspects: Suspects) -> bool:
        """A line in the journal of the image that was one too many, and one in the log; then note that both exist."""
        alarm, image = suspects.alarmed_at, suspects.announce
        if alarm is None or image is None:
            return False
        names = ", ".join(str(each.image) for each in suspects.suspects[-5:])
        text = (
            f"{len(suspects.suspects)} images differ from their galleries since {alarm - observed.HOUR:%H:%M} UTC"
            f" ({names} ...): nothing is moved; SecOps look at the galleries and the signing key, then run"
            " `imagefactory galleries accept --reason TEXT`"
        )
        entry = self.effects.journal.of_image(image, Event.GALLERIES_DOUBTED, detail=text)
        key = standing_key(alarm, Event.GALLERIES_DOUBTED.value)
        with contextlib.suppress(AlreadyExists):  # it was raised, and that could not be noted
            self.records.images.commit([records.add_entry(replace(entry, key=key))])
        self.effects.logs.note("galleries-doubted", images=len(suspects.suspects), why=text)
        self._change(lambda found: found.announced(alarm))
        return True
