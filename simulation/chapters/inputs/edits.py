"""Teams change what limits a build and what judges a version: machine size, timeout, disk, and `verify`.

Some images need more than they have: the simulated builder fails them until their limits are raised. Nobody asks for
a build then.
"""

import contextlib
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.domain import plan
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.definitions import RebuildOn
from pipeline_core.domain.errors import UnreadableRow
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.plan import DoNothing, RestReason
from pipeline_core.wire.job import BuildJob
from simulation import rest
from simulation.chapters.chapter import Chapter, Happening
from simulation.chapters.inputs.jobs import SeenJobs, judged_at_rest

if TYPE_CHECKING:
    from simulation.story import SeedStory

_LIMITS = (("Standard_D2s_v5", 60), ("Standard_D4s_v5", 60), ("Standard_D4s_v5", 120))  # minutes
_DISKS = (None, 64, 128)  # GB, of a root
_FILE = "scripts/install.sh"  # the one file of a simulated bundle
_TESTS: tuple[Mapping[str, Any], ...] = (
    {},
    {"smoke": [_FILE]},
    {"goss": _FILE},
    {"goss": _FILE, "smoke": [_FILE]},
)


class DefinitionEdits(Chapter):
    """Half of the images rebuild on `verify`. The others say that their version was judged by an older one."""

    name: ClassVar[str] = "edits"
    rate: ClassVar[float] = 0.8

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._limits: dict[str, int] = {}  # places in _LIMITS, as registered and as needed
        self._needs: dict[str, int] = {}
        self._disks: dict[str, int] = {}
        self._tests: dict[str, int] = {}  # places in _TESTS
        self._rebuilds: dict[str, bool] = {}
        self._short: dict[str, int] = {}  # builds that failed for want of more, and the limits that they had
        self._failing: dict[tuple[str, str], str] = {}
        self._jobs = SeenJobs(self.world.ports)

    def begin(self) -> None:
        """The chapter decides which stage fails."""
        self._failing.update(self.world.platform.failing)
        self.world.platform.failing = self._failing

    def document(self, image: str) -> Mapping[str, Any]:
        """All limits, and what is tested. The disk of a child is its parent's."""
        if image not in self._rebuilds:
            self._rebuilds[image] = self.chance.random() < 0.5
        size, minutes = _LIMITS[self._limits.get(image, 0)]
        disk = _DISKS[self._disks.get(image, 0)] if self.story.parents[image] is None else None
        build = {"vmSize": size, "timeout": f"{minutes}m", **({} if disk is None else {"osDiskSizeGb": disk})}
        on = ["parent", "definition", *(["verify"] if self._rebuilds[image] else [])]
        return {"build": build, "verify": _TESTS[self._tests.get(image, 0)], "on": on}

    def happenings(self) -> Sequence[Happening]:
        """Teams notice a failure some time later."""
        return (
            (3, self._need_more),
            (3, self._raise_some),
            (1, self._resize),
            (1, self._widen),
            (4, self._judge_otherwise),
            (2, self._judge_otherwise_and_back),
        )

    def end(self) -> None:
        """Every image gets the limits that it needs."""
        for image in sorted(self._needs):
            self._raise(image)

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """A build without the limits that its image needs fails in a step."""
        if name != "containers.create_group":
            return
        job = self._jobs.add(given[0])
        if job.stage != "build":
            return
        has = _LIMITS.index((job.placement.vm_size, job.timeout_seconds // 60))
        self._failing.pop((job.image, "build"), None)
        if has < self._needs.get(job.image, 0):
            self._failing[job.image, "build"] = "provisioner"
            self._short[job.build] = has

    def violations(self) -> Sequence[str]:
        """(34) No image waits for a person although its limits were raised. (35) Who rebuilds on `verify` did."""
        found: list[str] = []
        with self._calm():
            for head in list(judged_at_rest(self.world.ports)):
                self._demand_tried(head.name)
                found += self._of_verify(head)
        return found

    def _of_verify(self, head: ImageHead) -> Iterator[str]:
        job, image = self._jobs.find(head, "verify"), str(head.name)
        if job is None or _judges(job) == _demands(_TESTS[self._tests.get(image, 0)]):
            return
        if RebuildOn.VERIFY in head.registration.on:
            if not rest.last_failed(self.world, head.name) and not self._was_cancelled(image):
                yield f"(35) {image}@{job.destination.version} was not judged by its `verify` of now"
            return
        shown = self.world.factory.queries.image(head.name).image.conditions
        if not any(each.type is ConditionType.VERIFY_CHANGED for each in shown):
            yield f"(35) {image} does not say that its version was judged by an older `verify`"

    def _was_cancelled(self, image: str) -> bool:
        """True where a person has stopped the image's last build, and so the wish that it was for."""
        results = [each.result for each in self.world.safety.builds.values() if each.image == image]
        return results[-1:] == ["cancelled"]

    def _need_more(self) -> None:
        """An image outgrows its limits by an edit."""
        image = self._some_image()
        if self._limits.get(image, 0) + 1 < len(_LIMITS):
            self._needs[image] = self._limits.get(image, 0) + 1
            self.story.texts[image] = f"grown-{self.chance.randrange(10**6)}"
            self.story.register(image)

    def _raise_some(self) -> None:
        for image in sorted(self._needs)[:2]:
            self._raise(image)

    def _raise(self, image: str) -> None:
        needs = self._needs[image]
        if self._limits.get(image, 0) >= needs or image not in self.story.parents:
            return
        self._limits[image] = needs
        self.story.register(image)
        for build, had in self._short.items():
            name = build.rpartition(".")[0]
            if had < needs and name.rpartition(".")[0] == image:
                self.world.platform.failed_inputs.discard(name)  # it would not fail any more
        with self._calm(), contextlib.suppress(UnreadableRow):
            self._demand_tried(ImageName(image))

    def _demand_tried(self, image: ImageName) -> None:
        """(34) A failure for want of limits blocks nothing that has them now."""
        now = self.world.ports.clock.now()
        snapshot = self.world.parts.images.observer.observe(image, now).snapshot
        decision, claim = plan.plan(snapshot, now), snapshot.find_claim(image)
        had = None if claim is None else self._short.get(str(claim.build))
        is_blocked = isinstance(decision, DoNothing) and decision.why is RestReason.BLOCKED
        if claim is not None and is_blocked and had is not None and had < self._limits.get(str(image), 0):
            self.world.blame(
                f"(34) {claim.build} blocks {image}, although it has the limits now that it needs"
            )

    def _resize(self) -> None:
        """More than an image needs: nothing is built for that."""
        image = self._some_image()
        self._limits[image] = self.chance.randrange(self._needs.get(image, 0), len(_LIMITS))
        self.story.register(image)

    def _widen(self) -> None:
        """A root's disk never shrinks."""
        roots = sorted(name for name, parent in self.story.parents.items() if parent is None)
        image = self.chance.choice(roots)
        self._disks[image] = min(self._disks.get(image, 0) + 1, len(_DISKS) - 1)
        self.story.register(image)

    def _judge_otherwise(self) -> None:
        image = self._some_image()
        self._judge_by(image, self.chance.randrange(len(_TESTS)))

    def _judge_otherwise_and_back(self) -> None:
        """A team is of two minds, while builds of the image are on their way or not."""
        image = self._some_image()
        before, after = self._tests.get(image, 0), self.chance.randrange(len(_TESTS))
        for tests in (after, before, after):
            if image in self.story.parents:
                self._judge_by(image, tests)
                self._wait()

    def _judge_by(self, image: str, tests: int) -> None:
        self._tests[image] = tests
        self.story.register(image)

    def _some_image(self) -> str:
        return self.chance.choice(sorted(self.story.parents))

    def _wait(self) -> None:
        pause = timedelta(minutes=self.chance.choice((0, 1, 10, 40)))
        self.world.run_until(self.world.ports.clock.now() + pause)

    @contextlib.contextmanager
    def _calm(self) -> Iterator[None]:
        """A look of the chapter's own meets no fault."""
        injector = self.world.injector
        was_enabled, injector.enabled = injector.enabled, False
        try:
            yield
        finally:
            injector.enabled = was_enabled


def _judges(job: BuildJob) -> tuple[str, tuple[str, ...]]:
    return job.tests.goss, job.tests.smoke


def _demands(verify: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return verify.get("goss", ""), tuple(verify.get("smoke", ()))
