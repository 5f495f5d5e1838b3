"""Outages of the simulated platform: for a time, everything of one scope fails at once, with one cause.

The record of what each outage struck is the platform's own. The invariants are checked against it, never against what
the factory says about its failures.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline_core.domain.errors import ErrorClass, ErrorScope, FactoryError, Owner, TransientError
from pipeline_core.ports import Blobs, Clock, NewContainerGroup
from pipeline_core.wire.job import BuildJob
from pipeline_core.wire.report import ReportedScope
from simulation import rows
from simulation.faults import Kind
from simulation.region import EDGE

CREATION = "containers.create_group"
EVERYWHERE = frozenset({"build", "verify"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCause:
    """What a builder reports of a failed attempt. `error_class` may be a text that this release does not know.

    `owner`, `permanent` and `scope` are None where the builder knows no more than the class says. `is_of_input` is
    what the platform knows and no report says: the input itself is at fault.
    """

    error_class: str
    message: str = "the simulated platform failed"
    owner: Owner | None = None
    permanent: bool | None = None
    scope: ErrorScope | None = None
    is_of_input: bool = False

    def cells(self) -> Mapping[str, object]:
        """Its fields of a report."""
        return {
            "error_class": self.error_class,
            "message": self.message,
            "owner": self.owner,
            "permanent": self.permanent,
            "scope": None if self.scope is None else ReportedScope.of(self.scope),
        }

    def __str__(self) -> str:
        owner = "" if self.owner is None else f" of {self.owner.value}"
        return f"{self.error_class}{owner}{'' if self.scope is None else f' in {self.scope}'}"


@dataclass(slots=True, kw_only=True, eq=False)
class SimulatedOutage:
    """One cause. It lasts from `since` (None: always) until `until` (None: it has not begun).

    `calls` are the ports' calls that `refusal` refuses, such as `containers.create_group`. `report` is what builders
    report in `stages`. `fault` is what becomes of containers. All of it is about jobs with a machine of `size` alone,
    where that is not empty, and about images of `images` alone, where that is not None.
    """

    name: str = "outage"
    since: datetime | None = None
    until: datetime | None = None
    calls: frozenset[str] = frozenset()
    refusal: Callable[[], FactoryError] | None = None
    report: ReportedCause | None = None
    stages: frozenset[str] = EVERYWHERE
    fault: Kind | None = None
    size: str = ""
    images: frozenset[str] | None = None
    latency: timedelta = timedelta(0)  # of a call that is refused
    struck: dict[str, int] = field(
        default_factory=dict
    )  # calls and attempts that it made fail, by build or image

    waits: dict[str, datetime] = field(
        default_factory=dict
    )  # by call and subject: until when it asked to wait
    pestered: Counter[tuple[str, datetime]] = field(default_factory=Counter)  # calls that came before that

    @property
    def takes_containers(self) -> bool:
        """True where containers or their programs are killed: for the factory, that is a container that was lost."""
        is_killed = self.report is not None and self.report.error_class == ErrorClass.EVICTION.value
        return self.fault is not None or is_killed

    @property
    def length(self) -> timedelta:
        """How long it lasts; nothing where that is not known."""
        return timedelta(0) if self.since is None or self.until is None else self.until - self.since

    def describe(self) -> str:
        """For a person: what fails for how long."""
        parts = [str(self.report or ""), self.fault.value if self.fault else "", ",".join(sorted(self.calls))]
        if self.refusal is not None:
            parts.append(str(self.refusal()))
        parts.append(f"of {self.size}" if self.size else "")
        since = "" if self.since is None else f" since {self.since:%d %H:%M}"
        return f"{self.name} ({' '.join(each for each in parts if each)}){since} for {self.length}"

    def lasts(self, now: datetime) -> bool:
        """True while it lasts."""
        return self.until is not None and now < self.until and (self.since is None or self.since <= now)

    def covers(self, job: BuildJob) -> bool:
        """True where the job is in its scope."""
        return self.size in ("", job.placement.vm_size) and self.is_about(job.image)

    def is_about(self, image: str) -> bool:
        """True where the image is in its scope."""
        return self.images is None or image in self.images

    def strike(self, subject: str) -> None:
        """Note that it made a call or an attempt of this build or image fail."""
        self.struck[subject] = self.struck.get(subject, 0) + 1


@dataclass(slots=True, kw_only=True)
class OutageRecord:
    """All outages of a world, those to come included, and what each of them struck."""

    clock: Clock
    blobs: Blobs
    advance: Callable[[timedelta], object]
    known: list[SimulatedOutage] = field(default_factory=list)
    alone: set[str] = field(default_factory=set)  # builds whose newest failure is a container lost by itself

    def strike(self, outage: SimulatedOutage, subject: str) -> None:
        """Note that the outage made a call or an attempt of this build or image fail."""
        outage.strike(subject)
        self.alone = {each for each in self.alone if subject not in (each, each.partition(".")[0])}

    def lose_alone(self, build: str) -> None:
        """Note that a container of the build is lost, and that no outage took it."""
        self.alone.add(build)

    def causes_of(self, build: str) -> frozenset[SimulatedOutage]:
        """The outages that may have made the newest attempt of this build fail, or a call about its image.

        Where its container was lost by itself, only outages that take containers may.
        """
        image, is_alone = build.partition(".")[0], build in self.alone
        return frozenset(
            each
            for each in self.known
            if (build in each.struck or image in each.struck) and (each.takes_containers or not is_alone)
        )

    def lasting(self) -> list[SimulatedOutage]:
        """The outages of this moment."""
        if not self.known:
            return []
        now = self.clock.now()
        return [each for each in self.known if each.lasts(now)]

    def refuse(self, call: str, given: tuple[Any, ...]) -> None:
        """Raise the error of the first outage that refuses this call."""
        now = self.clock.now()
        for outage in self.known:
            # Most outages of a long story are over, and most calls are in none: the cheapest question comes first.
            if call not in outage.calls or outage.refusal is None or not outage.lasts(now):
                continue
            subject = self._subject(outage, call, given)
            if subject:
                self.strike(outage, subject)
                self.advance(outage.latency)
                error = outage.refusal()
                self._note_wait(outage, f"{call} for {subject}", error)
                raise error

    def _note_wait(self, outage: SimulatedOutage, what: str, error: FactoryError) -> None:
        """Count a call that comes while its last refusal asks to wait."""
        now = self.clock.now()
        until = outage.waits.get(what)
        if until is not None and now < until - EDGE:
            outage.pestered[what, until] += 1
        elif isinstance(error, TransientError) and error.retry_after is not None:
            outage.waits[what] = now + error.retry_after

    def report_of(self, job: BuildJob) -> ReportedCause | None:
        """What the builder of this job reports now; None where no outage makes it fail."""
        for outage in self.lasting():
            if outage.report is not None and job.stage in outage.stages and outage.covers(job):
                self.strike(outage, job.build)
                return outage.report
        return None

    def reported_of(self, build: str) -> frozenset[str]:
        """The messages that outages made the builders of this build report."""
        known = (each for each in self.known if each.report is not None and build in each.struck)
        return frozenset(each.report.message for each in known if each.report is not None)

    def fate_of(self, job: BuildJob) -> Kind | None:
        """What becomes of a container that runs now; None where no outage is about it."""
        for outage in self.lasting():
            if outage.fault is not None and outage.covers(job):
                self.strike(outage, job.build)
                return outage.fault
        return None

    def has_struck(self, build: str, image: str) -> bool:
        """True where any outage made something of this build fail, or a call about its image."""
        return any(build in outage.struck or image in outage.struck for outage in self.known)

    def _subject(self, outage: SimulatedOutage, call: str, given: tuple[Any, ...]) -> str:
        """The build or image that the call is about; empty where the outage is not about it."""
        if call != CREATION:
            image = str(getattr(given[0], "image", given[1] if len(given) > 1 else ""))
            return image if outage.is_about(image) else ""
        new: NewContainerGroup = given[0]
        digest = new.environment["IF_JOB"]
        job = rows.job_of(self.blobs, digest)
        return job.build if outage.covers(job) else ""
