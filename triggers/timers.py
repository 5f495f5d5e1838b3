"""Functions on a schedule; each is safe to miss, to run late and to run twice."""

import azure.functions as func

from triggers import delivery
from triggers.provider import Provider


def blueprint(factory: Provider) -> func.Blueprint:
    """The timers, in UTC; schedules are settings, so that an operator changes them without a release."""
    timers = func.Blueprint()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped

    @timers.timer_trigger(arg_name="timer", schedule="%POLL_SCHEDULE%")
    def poll_source_images(timer: func.TimerRequest) -> None:
        """Ask the Marketplace for new versions of every source that is followed."""
        delivery.run(factory, "poll-failed", lambda services: services.poller.poll())

    @timers.timer_trigger(arg_name="timer", schedule="%SWEEP_SCHEDULE%")
    def sweep_images(timer: func.TimerRequest) -> None:
        """Continue everything that a lost message has stopped, and remove the remains of dead builds."""
        try:
            delivery.run(factory, "sweep-failed", lambda services: services.sweeper.sweep())
        finally:  # the reaper runs after a failed sweep too
            delivery.run(factory, "reap-failed", lambda services: services.reaper.reap())

    @timers.timer_trigger(arg_name="timer", schedule="%OBSERVE_SCHEDULE%")
    def observe_galleries(timer: func.TimerRequest) -> None:
        """Compare the live galleries with what the factory believes. A slice each run."""
        delivery.run(factory, "observe-failed", lambda services: services.galleries.observe())

    @timers.timer_trigger(arg_name="timer", schedule="%ADMIT_SCHEDULE%")
    def admit_tools(timer: func.TimerRequest) -> None:
        """Look at the files of tools that were brought. Often, as a person waits; a look at nothing is cheap."""
        delivery.run(factory, "admission-failed", lambda services: services.admission.look())

    @timers.timer_trigger(arg_name="timer", schedule="%PRUNE_SCHEDULE%")
    def prune_versions(timer: func.TimerRequest) -> None:
        """Remove the versions that retention does not keep and bundles that nobody uses, and move old history away."""
        try:
            delivery.run(factory, "prune-failed", lambda services: services.pruner.prune())
        finally:  # the history moves after a failed slice of retention too
            try:
                delivery.run(factory, "archive-failed", lambda services: services.archiver.archive())
            finally:
                delivery.run(factory, "bundles-failed", lambda services: services.bundle_retention.remove())

    return timers
