"""End a build whose steps fail again and again by an error that nobody expected, so that its slot becomes free.

A step is poisoned after five deliveries, and the sweep sends the next one ten minutes later or more. So several of them
mean that the build has stood for half an hour or longer, and that a person has not dismissed the records.
"""

from dataclasses import dataclass

from pipeline_core.domain.builds import Failure
from pipeline_core.domain.errors import ErrorClass, FactoryError
from pipeline_core.domain.names import BuildId
from pipeline_core.domain.poison import PoisonRecord
from pipeline_core.ports import Logs
from pipeline_core.services.builds.stages import Stopper
from pipeline_core.state.images import ImageStore


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckBuilds:
    """Hands the build to the stage that removes what it made. The factory is at fault, never the team."""

    images: ImageStore
    stopping: Stopper
    logs: Logs

    def give_up(self, build: BuildId, record: PoisonRecord) -> None:
        """Give up a build that has not ended and is not being stopped. Safe to repeat; an error is only noted."""
        text = f"the factory could not handle its steps: see the poison record {record.key}"
        failure = Failure(error_class=ErrorClass.INTERNAL, message=text)
        try:
            stored = self.images.find_build(build)
            if stored is None or stored.value.is_finished or stored.value.is_stopping:
                return
            self.stopping.fail(stored, failure)
        except FactoryError as error:
            self.logs.note("not-given-up", build_id=str(build), record=record.key, error=str(error))
            return
        self.logs.note("given-up", build_id=str(build), record=record.key)
