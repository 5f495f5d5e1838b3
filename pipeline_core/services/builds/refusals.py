"""A step that Azure refused: is it too early to believe the refusal? A note beside the attempt's files keeps the time.

It decides nothing else about a build. A refusal that cannot end by itself costs no call.
"""

from dataclasses import dataclass
from datetime import datetime

from pipeline_core.domain import attempts, propagation
from pipeline_core.domain.builds import Build
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    ParentNotFound,
    PermanentError,
    TransientError,
)
from pipeline_core.ports import Blobs, Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """The time counts from the attempt's first refusal of the same kind, as the blob service tells it."""

    blobs: Blobs
    clock: Clock

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

    def _first_refusal(self, build: Build, error: PermanentError) -> datetime:
        kind = attempts.ORPHANED if isinstance(error, ParentNotFound) else attempts.REFUSED
        name = attempts.refusal_of(build, kind)
        try:
            self.blobs.create("builds", name, b"{}", media_type="application/json")
        except AlreadyExists:
            found = self.blobs.find_facts("builds", name)
            if found is not None:
                return found.changed_at
        return self.clock.now()
