"""Asks whether a build is still wanted, and withdraws a pending build that is not.

The question itself is pure (`domain.wanted`). A build that runs is not stopped here: its version stays out of
`latest` when it ends.
"""

from dataclasses import dataclass, replace

from pipeline_core.domain import builds, claims, wanted
from pipeline_core.domain.builds import Build, Phase, Result
from pipeline_core.domain.errors import StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Event
from pipeline_core.domain.wanted import Answer
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.observe import Observer
from pipeline_core.state import images as records
from pipeline_core.state.records import Stored
from pipeline_core.state.stores import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """A question costs three point reads, two where the image's head is known."""

    observer: Observer
    records: Records
    effects: Effects

    def judge(self, build: Build, known: Stored[ImageHead] | None = None) -> Answer:
        """The answer of this moment. `known` is the image's head where the caller has just read it."""
        now = self.effects.clock.now()
        return wanted.judge(self.observer.look(build.image, known), build, now)

    def withdraw(self, stored: Stored[Build], answer: Answer) -> None:
        """End a pending build that nobody wants; its input can be built again. Raises StaleWrite where it has begun.

        The step that is sent last announces the end. If it is lost, the sweep announces it.
        """
        if stored.value.phase is not Phase.PENDING:
            raise StaleWrite(f"build {stored.value.id} has begun or ended since it was read")
        ended = builds.finish(stored.value, Result.WITHDRAWN, self.effects.clock.now())
        entry = self.effects.journal.of_build(ended, Event.WITHDRAWN, detail=answer.why)
        head = self.records.images.find_head(ended.image)
        writes = [
            records.put_build(ended, etag=stored.etag),
            records.add_past(ended),
            records.add_entry(entry),
        ]
        claim = self.records.images.find_claim(ended.image, ended.fingerprint)
        if claim is not None and claim.value.build == ended.id:
            writes.append(records.put_claim(claims.settle(claim.value, ended), etag=claim.etag))
        copy = self.effects.projection.find(ended.image)
        changed = None if head is None else _without(head.value, ended)
        if head is not None and changed is not None:
            writes.append(records.put_head(changed, etag=head.etag))
        self.records.images.commit(writes)
        self.records.index.withdraw(ended)
        if changed is not None:
            self.effects.projection.follow(changed, copy)
        self.effects.outbox.step(ended, reason="withdrawn", once=True)
        self.effects.logs.note(
            "build-withdrawn", image=str(ended.image), build_id=str(ended.id), why=answer.why
        )


def _without(head: ImageHead, ended: Build) -> ImageHead:
    is_active = head.active is not None and head.active.build == ended.id
    return replace(head, active=None) if is_active else head
