"""The builder reports an event: look at the build now, and not only at its next step."""

from dataclasses import dataclass

from pipeline_core.domain.names import BuildId
from pipeline_core.ports import Logs
from pipeline_core.services.builds.drive import Driver
from pipeline_core.state.images import ImageStore
from pipeline_core.wire.messages import BuildEventMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildEvents:
    """An event is only a hint. The step reads the facts from the attempt's report blob."""

    images: ImageStore
    driver: Driver
    logs: Logs

    def observe(self, message: BuildEventMessage) -> None:
        """Look at the attempt that reported, at once. An event of an older attempt is a named no-op."""
        stored = self.images.find_build(BuildId(message.build))
        if stored is None:
            self.logs.note("event-without-build", build_id=message.build)
            return
        build = stored.value
        is_running = build.phase.has_container and build.phase.stage == message.stage
        if not is_running or build.attempt != message.attempt:
            self.logs.note(
                "event-outdated", image=str(build.image), build_id=message.build, kind=message.kind
            )
            return
        self.driver.look(stored)
