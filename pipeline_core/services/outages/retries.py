"""SecOps end an outage by hand: the breakers of one class close, and what failed by this class is tried again."""

from dataclasses import dataclass, replace

from pipeline_core.domain import access, breaker
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.actors import Actor
from pipeline_core.domain.builds import Result
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import ErrorClass, StaleWrite
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import CampaignId
from pipeline_core.domain.platform_breaker import PlatformBreaker
from pipeline_core.ports import Principal, TableWrite
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.outages.outages import Outages
from pipeline_core.state import images as rows
from pipeline_core.state.stores import Records

_PAGE = 50  # images that one request looks at
_AGAIN = frozenset({Outcome.EXHAUSTED, Outcome.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAnswer:
    """What one request did: breakers that it closed, images that are looked at again, and the cursor of the next."""

    closed: tuple[str, ...]
    images: tuple[str, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Readers see the open breakers. SecOps retry."""

    records: Records
    effects: Effects
    outages: Outages

    def list(self) -> tuple[PlatformBreaker, ...]:
        """The open breakers. One read."""
        return tuple(stored.value for stored in self.records.breakers.list() if stored.value.is_open)

    def retry(self, error_class: ErrorClass, principal: Principal, *, after: str = "") -> RetryAnswer:
        """Close the breakers of this class, and try again what failed by it, one page of the fleet at a time.

        `after` is the cursor of the former answer. Safe to repeat. Raises PermanentError (PERMISSION).
        """
        access.demand(ApiOperation.RETRY, principal)
        closed = [
            str(found.scope)
            for found in self.list()
            if found.error_class is error_class and self.outages.close(found, actor=principal.actor)
        ]
        page = self.records.index.fleet(after=after, limit=_PAGE)
        again = [str(head.name) for head in page.heads if self._again(head, error_class, principal.actor)]
        self.effects.logs.note(
            "outage-retried",
            error_class=error_class.value,
            closed=len(closed),
            images=len(again),
            actor=principal.actor.identity,
        )
        return RetryAnswer(closed=tuple(closed), images=tuple(again), next=page.after)

    def _again(self, copy: ImageHead, error_class: ErrorClass, actor: Actor) -> bool:
        """Let the newest build of an image be tried again where it failed by this class. False where it did not."""
        images = self.records.images
        page = self.records.history.builds(copy.name, limit=1).builds if copy.active is None else ()
        newest = next(iter(page), None)
        if newest is None or newest.result is not Result.FAILED or newest.failure is None:
            return False
        claim = images.find_claim(newest.image, newest.fingerprint)
        if newest.failure.error_class is not error_class or claim is None:
            return False
        if claim.value.build != newest.id or claim.value.outcome not in _AGAIN:
            return False
        rested = replace(claim.value, outcome=Outcome.EXHAUSTED, ended_at=None)
        detail = f"what failed by {error_class.value} is tried again"
        entry = self.effects.journal.of_image(copy.name, Event.REQUESTED, actor=actor, detail=detail)
        writes: list[TableWrite] = [rows.put_claim(rested, etag=claim.etag), rows.add_entry(entry)]
        head = images.find_head(copy.name)
        if head is not None and head.value.breaker is not None:
            writes.append(rows.put_head(breaker.after_success(head.value), etag=head.etag))
        self.effects.projection.forget_claim(copy.name)
        try:
            images.commit(writes, head=None if head is None else head.value)
        except StaleWrite:
            return False  # it has changed just now, so another handler looks at it
        self.effects.outbox.rebuild(copy.name, "retried", CampaignId(f"retry-{error_class.value}"))
        return True
