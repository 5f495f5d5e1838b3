"""A step that Azure refused: is it too early to believe it, does an outage excuse it, or has the build failed?

A note beside the attempt's files keeps the time of the first refusal. A refusal that cannot end by itself costs no
call for that. What Azure refuses to the factory is never a team's fault. It holds where the factory is deployed, unless
it says where: an answer of the Marketplace about one source names that source.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline_core.domain import attempts, platform_call, propagation
from pipeline_core.domain.builds import Build, Failure
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    ErrorScope,
    FactoryError,
    NotProven,
    Owner,
    ParentNotFound,
    PermanentError,
    TransientError,
)
from pipeline_core.ports import Blobs, Clock
from pipeline_core.services.builds.stages import Failed, Wait
from pipeline_core.services.outages.outages import Outages, Paused

_PASSING = timedelta(minutes=2)  # from the first passing error of an attempt until one counts as an outage
_GRANTED = timedelta(
    minutes=2
)  # most grants count by then; what is still refused holds others back meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """The time counts from the attempt's first refusal of the same kind, as the blob service tells it.

    `deployment` is where a call failed whose error says nothing else.
    """

    blobs: Blobs
    clock: Clock
    outages: Outages
    deployment: ErrorScope

    def settle(self, build: Build, error: PermanentError) -> Wait | Failed:
        """What a refused step means for the build. Raises TransientError where it is asked again."""
        call = platform_call.call_of(build.phase)
        judged = self.judge(build, error)
        failure = failure_of(error if isinstance(judged, TransientError) else judged)
        if isinstance(judged, TransientError) and not self._is_repeated(build, error):
            raise judged from error
        is_own = error.error_class is ErrorClass.CONFLICT and not isinstance(judged, TransientError)
        if is_own or (isinstance(error, NotProven) and error.is_of_version):
            return Failed(failure=failure)  # a check of the factory's own: no call of Azure was refused
        failure = self._located(failure)
        met = self.outages.meet(build, failure, call, of_call=True)
        if isinstance(met, Paused):
            return Wait(delay=met.delay, paused=met.key)
        if isinstance(judged, TransientError):
            raise judged from error
        return Failed(failure=failure)

    def meet(self, build: Build, error: TransientError, *, paused: str) -> Paused | None:
        """Count a passing error that comes back for a while, or at once in a build that probes (`paused`).

        None where its own wait goes on.
        """
        if error.error_class is ErrorClass.CONFLICT or error.error_class.only_waits:
            return None
        if not paused and self.clock.now() < self._first(build, attempts.TROUBLED) + _PASSING:
            return None
        failure = Failure(error_class=error.error_class, message=str(error), scope=error.scope)
        met = self.outages.meet(
            build, self._located(failure), platform_call.call_of(build.phase), of_call=True
        )
        return met if isinstance(met, Paused) else None

    def judge(self, build: Build, error: PermanentError) -> PermanentError | TransientError:
        """The error as it counts now: one to wait for, or one to believe."""
        if propagation.bound_of(error) is None:
            return error
        try:
            since = self._first_refusal(build, error)
        except FactoryError:
            return error  # where nothing can be noted, nothing bounds the wait
        if propagation.may_end(error, since=since, now=self.clock.now()):
            text = (
                f"{error}; it is asked again, because what was granted or made just now may not be known yet"
            )
            return TransientError(ErrorClass.CONFLICT, text)
        return propagation.believed(error)

    def _located(self, failure: Failure) -> Failure:
        """The failure of a call, with where it holds. The class alone would say the source of a 404.

        One cause would then open a breaker for each source.
        """
        return replace(failure, scope=failure.scope or self.deployment)

    def _is_repeated(self, build: Build, error: PermanentError) -> bool:
        """True where a refusal that may end by itself lasts so long that it is not only a grant on its way."""
        return self.clock.now() >= self._first_refusal(build, error) + _GRANTED

    def _first_refusal(self, build: Build, error: PermanentError) -> datetime:
        return self._first(
            build, attempts.ORPHANED if isinstance(error, ParentNotFound) else attempts.REFUSED
        )

    def _first(self, build: Build, kind: str) -> datetime:
        name = attempts.refusal_of(build, kind)
        try:
            self.blobs.create("builds", name, b"{}", media_type="application/json")
        except AlreadyExists:
            found = self.blobs.find_facts("builds", name)
            if found is not None:
                return found.changed_at
        return self.clock.now()


def failure_of(error: PermanentError) -> Failure:
    """The failure of a call of the factory. Its owner is the team only where the error itself says so."""
    owner = error.owner
    if owner is None and error.error_class.owner is Owner.TEAM:
        owner = Owner.PLATFORM
    return Failure(error_class=error.error_class, message=str(error), owner=owner, scope=error.scope)
