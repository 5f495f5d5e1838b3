"""A person asks for a build of unchanged inputs. The token enters the fingerprint: the same token, one build."""

import hashlib
from dataclasses import dataclass, replace

from pipeline_core.domain import access, breaker
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.errors import AlreadyExists
from pipeline_core.domain.images import ImageHead, RebuildRequest
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import BuildId, CampaignId, ImageName, RebuildToken, build_id
from pipeline_core.domain.plan import DoNothing, StartBuild
from pipeline_core.ports import Principal
from pipeline_core.services.effects.effects import Effects
from pipeline_core.services.images.reconcile import Reconciler
from pipeline_core.services.policies.day_limits import DayLimits
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import changing
from pipeline_core.state.images import ImageStore
from pipeline_core.state.outages.pauses import PauseStore
from pipeline_core.state.records import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswer:
    """The answer to a request: the build that it started or joined, or the reason why there is none yet."""

    token: RebuildToken
    build: BuildId | None
    why: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Manual rebuilds."""

    images: ImageStore
    pauses: PauseStore
    reconciler: Reconciler
    effects: Effects
    days: DayLimits

    def request(self, name: ImageName, principal: Principal, reason: str, key: str | None) -> RequestAnswer:
        """Record the request, then reconcile at once, so that the answer can name the build.

        `key` is the caller's idempotency key: the same key of the same caller is always the same request.
        The head is read once, and once more for the answer where no build was started.
        Raises NotFound, TablesLost, OverLimit where the image's team has asked for too many today, and PermanentError
        (PERMISSION) where the image belongs to another team.
        """
        head = self.images.find_head(name)
        if head is None:
            self.effects.recovery_log.demand_kept(name)
            head = self.images.get_head(name)
        access.demand(ApiOperation.REQUEST_BUILD, principal, head.value.registration.subject)
        token = _token(name, principal, key or self.effects.chance.nonce())
        campaign = CampaignId(f"request-{str(token)[:12]}")
        if self.images.has_request(name, token):  # one that is sent again counts once
            head, _ = self._record(head, token, principal, reason, campaign)
        else:
            count = self.days.admit_request(head.value.registration.team, principal)
            head, is_new = self._record(head, token, principal, reason, campaign)
            if is_new:
                count()
        decision = self.reconciler.reconcile(name, campaign, known=head)
        if isinstance(decision, StartBuild):
            build: BuildId | None = build_id(name, decision.fingerprint, decision.generation)
        else:  # another process may have been faster: the head that is stored now names its build
            build = _build_of(self.images.get_head(name).value, token)
        if isinstance(decision, DoNothing):
            detail = decision.detail or decision.why.value
            return RequestAnswer(token=token, build=build, why=decision.why.value, detail=detail)
        halted = self.pauses.text(self.effects.clock.now())
        detail = f"{reason}; {halted}; the build starts after the pause" if halted else reason
        return RequestAnswer(token=token, build=build, why="started", detail=detail)

    def _record(
        self,
        head: Stored[ImageHead],
        token: RebuildToken,
        principal: Principal,
        reason: str,
        campaign: CampaignId,
    ) -> tuple[Stored[ImageHead], bool]:
        """The stored head with the request, and whether the request is new.

        A repeated old request does not change the head.
        """
        name = head.value.name

        def record(head: Stored[ImageHead]) -> tuple[Stored[ImageHead], bool]:
            request = RebuildRequest(token=token, actor=principal.subject, at=self.effects.clock.now())
            entry = replace(
                self.effects.journal.of_image(name, Event.REQUESTED, actor=principal.actor, detail=reason),
                campaign=str(campaign),
            )
            asked, copy = _asked(head.value, request), self.effects.projection.find(name)
            writes = [
                records.put_head(asked, etag=head.etag),
                records.add_request(name, request),
                records.add_entry(entry),
            ]
            if head.value.breaker is not None:
                closed = self.effects.journal.of_image(
                    name, Event.BREAKER_CLOSED, actor=principal.actor, detail="a rebuild was requested"
                )
                writes.append(records.add_entry(closed))
            try:
                etag, *_ = self.images.commit(writes)
            except AlreadyExists:
                # This request was recorded before: it must not replace a newer one. The process that recorded it
                # may have died before it wrote the copies.
                self.effects.projection.follow(head.value, copy)
                return head, False
            self.effects.logs.note("rebuild-requested", image=str(name), actor=principal.actor.identity)
            # If this process ends before it reconciles, the handler of this message does.
            self.effects.outbox.rebuild(name, "requested", campaign)
            self.effects.projection.follow(asked, copy)
            return Stored(value=asked, etag=etag), True

        return changing(
            lambda: self.images.get_head(name), record, known=head, subject=str(name), remedy="ask again"
        )


def _build_of(head: ImageHead, token: RebuildToken) -> BuildId | None:
    """The active build, or the current version's build if it answered this request."""
    if head.active is not None:
        return head.active.build
    if head.current is not None and head.current.inputs.token == token:
        return head.current.build
    return None


def _asked(head: ImageHead, request: RebuildRequest) -> ImageHead:
    """The head with the request. The person has looked at the failures, so the breaker closes."""
    return replace(breaker.after_success(head), request=request, failed_wish=None)


def _token(name: ImageName, principal: Principal, key: str) -> RebuildToken:
    text = "\n".join((str(name), principal.subject, key))
    return RebuildToken(hashlib.sha256(text.encode()).hexdigest()[:32])
