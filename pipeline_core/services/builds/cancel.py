"""A person cancels a build. This module records the request; `StoppingStage` cleans up and ends the build."""

import contextlib
from dataclasses import dataclass

from pipeline_core.domain import access, builds
from pipeline_core.domain.access_table import ApiOperation
from pipeline_core.domain.builds import Build, CancelRequest, Phase, Result
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError, StaleWrite, TransientError
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.sources import SourceVersion
from pipeline_core.ports import Principal
from pipeline_core.services.builds.stages import Stage
from pipeline_core.services.effects.effects import Effects
from pipeline_core.state import images as records
from pipeline_core.state.concurrency import changing
from pipeline_core.state.images import ImageStore
from pipeline_core.state.records import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceller:
    """Safe to ask again: a request is recorded once, and a cancelled build stays cancelled."""

    images: ImageStore
    stopping: Stage
    effects: Effects

    def cancel(self, identity: BuildId, principal: Principal, reason: str) -> Build:
        """The build after the request: a pending build has ended already, any other build ends soon.

        Raises NotFound. Raises PermanentError: PERMISSION where the image belongs to another team, CONFLICT where
        the build has ended with another result. Raises TransientError where others keep changing the build.
        """
        asked = changing(
            lambda: self._demand(identity),
            lambda stored: self._record(stored, principal, reason),
            subject=f"build {identity}",
            remedy="ask again",
        )
        return _cancelled(asked.value) if asked.value.is_finished else self._set_going(asked)

    def _demand(self, identity: BuildId) -> Stored[Build]:
        stored = self.images.find_build(identity)
        if stored is None:
            raise NotFound(f"there is no build {identity}; GET /api/images/{identity.image} lists its builds")
        return stored

    def _demand_right(self, build: Build, principal: Principal) -> ImageHead | None:
        head = self.images.find_head(build.image)
        if head is not None:
            access.demand(ApiOperation.CANCEL_BUILD, principal, head.value.registration.subject)
            return head.value
        is_base = isinstance(build.inputs.origin, SourceVersion)
        subject = access.subject_of(build.image, build.team, is_base=is_base)
        access.demand(ApiOperation.CANCEL_BUILD, principal, subject)
        return None

    def _record(self, build: Stored[Build], principal: Principal, reason: str) -> Stored[Build]:
        head = self._demand_right(build.value, principal)
        if build.value.is_finished or build.value.cancel is not None:
            return build
        actor = principal.actor
        request = CancelRequest(
            actor=actor.name, identity=actor.identity, at=self.effects.clock.now(), reason=reason
        )
        asked = builds.ask_to_cancel(build.value, request)
        entry = self.effects.journal.of_build(asked, Event.CANCEL_REQUESTED, actor=actor, detail=reason)
        writes = [records.put_build(asked, etag=build.etag), records.add_entry(entry)]
        etags = self.images.commit(writes, head=head)
        self.effects.logs.note("cancel-requested", build_id=str(asked.id), actor=actor.identity)
        return Stored(value=asked, etag=etags[0])

    def _set_going(self, build: Stored[Build]) -> Build:
        """Look at the build now. Its own chain of steps goes on afterwards, so this look adds no second chain."""
        self.effects.outbox.step(build.value, reason="cancel-requested", once=True)
        if build.value.phase is not Phase.PENDING:
            return build.value
        with contextlib.suppress(StaleWrite, TransientError):  # the step that was just sent does it
            self.stopping.advance(build)
        now = self.images.find_build(build.value.id)
        return build.value if now is None else now.value


def _cancelled(build: Build) -> Build:
    if build.result is Result.CANCELLED:
        return build
    result = "nothing" if build.result is None else build.result.value
    raise PermanentError(
        ErrorClass.CONFLICT,
        f"build {build.id} ended as {result} before it could be cancelled: nothing was changed",
    )
