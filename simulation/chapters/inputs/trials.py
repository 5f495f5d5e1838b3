"""SecOps try platform steps on named images: they begin trials, replace them, promote them, and give them up.

The chapter keeps its own record, from the rows that were written: which steps were in force when, which were on trial
on which images, and with which steps each version was built.
"""

import json
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.platform_trials import MOST_CANARIES
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.state.sources import SourceStore
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, rest, rows, world
from simulation.chapters.chapter import Chapter, Happening
from simulation.chapters.inputs.jobs import heads_of, judged_at_rest

if TYPE_CHECKING:
    from simulation.story import SeedStory

_READ = timedelta(
    minutes=5
)  # between the read of the platform and the write of a plan, with handlers between


class PlatformTrials(Chapter):
    """Mostly an image with all that is below it; sometimes one alone, which is refused where others are below it."""

    name: ClassVar[str] = "trials"
    # An image that was held back below a canary, and steps that came back while a message was lost.
    needs_sweep: ClassVar[bool] = True

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._count = 0
        self._texts: dict[Digest, tuple[str, Mapping[str, str]]] = {}  # the steps and tools of each trial
        self._until: dict[str, datetime | None] = {}  # until when steps were in force; None: they are
        self._named: dict[
            tuple[str, str], datetime | None
        ] = {}  # until when an image was in the trial of steps
        self._tried: set[str] = set()  # steps that were on trial and never in force
        self._planned: set[str] = set()
        self._built: dict[tuple[str, str], str] = {}  # the steps of each version that was ever current

    def begin(self) -> None:
        """Steps are in force already."""
        platform = SourceStore(self.world.ports.tables).find_platform()
        if platform is not None:
            self._until[str(platform.digest)] = None

    def happenings(self) -> Sequence[Happening]:
        """A trial is replaced as often as it is decided."""
        return ((3, self._begin), (2, self._promote), (2, self._end), (1, self._show))

    def end(self) -> None:
        """Some trials run on, and their canaries rest with the steps on trial."""
        self.chance.choice((self._end, self._end_undecided, self._promote))()

    def people_look(self) -> int:
        """SecOps end a trial where an image that is not in it waits below a canary."""
        platform = SourceStore(self.world.ports.tables).find_platform()
        trial = None if platform is None else platform.trial
        if trial is None:
            return 0
        below = {str(head.registration.parent): head.name for head in heads_of(self.world.ports)}
        for parent, child in below.items():
            if parent in map(str, trial.images) and child not in trial.images:
                if not self._gives_up():
                    self._promote()
                return 1
        return 0

    def forget(self) -> None:
        """What the tables knew of trials comes back from the log, or not at all."""
        self._planned.clear()

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(50) Nothing is planned with steps on trial, or on a version of them, but for the images of the trial."""
        if name == "tables.write":
            for write in given[1]:
                self._look_at_row(given[0], write)

    def violations(self) -> Sequence[str]:
        """(50) No image keeps steps whose trial has ended."""
        heads = {head.name: head for head in judged_at_rest(self.world.ports)}
        without = rest.excused(self.world, heads)
        found = []
        for name, head in heads.items():
            if head.current is None or name in without:
                continue
            steps = str(head.current.inputs.platform)
            if steps in self._tried and self._named.get((str(name), steps), _LONG_AGO) is not None:
                found.append(f"(50) {name}@{head.current.version} has platform steps whose trial has ended")
        return found

    def _begin(self) -> None:
        """The steps are new in each trial. The tools are those in force now."""
        self._count += 1
        text, tools = f"trial-{self._count}", dict(self.world.tools)
        first = self.chance.choice(sorted(self.story.parents))
        names = [first] if self.chance.random() < 0.25 else sorted(self.story.below(first))
        digest, content = fleet.bundle(text, catalog=fleet.catalog(tools) if tools else None)
        self._texts[digest] = text, tools

        def begin() -> None:
            world.uploaded(self.world, digest, content)
            images = tuple(map(ImageName, names[:MOST_CANARIES]))
            try:
                self.world.factory.platforms.put(digest, fleet.catalog(tools), world.ADMIN, canaries=images)
            except InvalidDocument:  # others are below it, or a canary names a tool that is gone
                return

        self.story.insist(begin)

    def _promote(self) -> None:
        """Whether the canaries have shown it or not, and whatever is in force since it began.

        Refused where a tool would leave that images name.
        """
        bundle = self._on_trial()
        if bundle is None or bundle not in self._texts:
            return
        text, tools = self._texts[bundle]

        def promote() -> None:
            try:
                self.world.factory.platforms.promote(bundle, world.ADMIN, untried=True, over_newer=True)
            except InvalidDocument:
                return
            self.world.steps, self.world.tools = text, dict(tools)

        self.story.insist(promote)

    def _end(self) -> None:
        """A trial whose end is refused goes on."""
        self._gives_up()

    def _gives_up(self) -> bool:
        """False where it is refused: a canary names a tool that only the trial has."""
        bundle, refused = self._on_trial(), list[Digest]()
        if bundle is None:
            return True

        def end() -> None:
            try:
                self.world.factory.platforms.end_trial(bundle, world.ADMIN)
            except InvalidDocument:
                refused.append(bundle)

        self.story.insist(end)
        return not refused

    def _end_undecided(self) -> None:
        """The trial goes on."""

    def _show(self) -> None:
        """SecOps look how far it is. It changes nothing."""
        self.story.insist(self.world.factory.platforms.show)

    def _on_trial(self) -> Digest | None:
        platform = SourceStore(self.world.ports.tables).find_platform()
        return None if platform is None or platform.trial is None else platform.trial.digest

    def _look_at_row(self, table: str, write: TableWrite) -> None:
        row = write.row
        if write.verb is WriteKind.DELETE:
            return
        if table == "index" and (row.partition, row.key) == ("platform", "current"):
            self._note_platform(rows.said_by(row))
        elif table == "images" and row.key == "head":
            self._note_version(rows.said_by(row))
        elif table == "images" and row.key.startswith("build:"):
            self._demand_named(rows.said_by(row))

    def _note_platform(self, platform: Mapping[str, Any]) -> None:
        now, trial = self.world.ports.clock.now(), platform.get("trial")
        in_force = _value(platform["digest"])
        steps = None if trial is None else _value(trial["digest"])
        images = set() if trial is None else {_value(each) for each in trial["images"]}
        for known, until in self._until.items():
            if known != in_force and until is None:
                self._until[known] = now
        self._until[in_force] = None
        for key, until in self._named.items():
            if until is None and (key[1] != steps or key[0] not in images):
                self._named[key] = now
        if steps is not None:
            self._named |= {(image, steps): None for image in images}
            self._tried.add(steps)
        self._tried.discard(in_force)

    def _note_version(self, head: Mapping[str, Any]) -> None:
        current = head["current"]
        if current is not None:
            key = _value(head["registration"]["name"]), _text(current["version"])
            self._built[key] = _value(current["inputs"]["platform"])

    def _demand_named(self, build: Mapping[str, Any]) -> None:
        name, image, inputs = _value(build["id"]), _value(build["image"]), build["inputs"]
        if name in self._planned:
            return
        self._planned.add(name)
        steps, origin = _value(inputs["platform"]), inputs["origin"]
        if not self._is_recent(self._until, steps) and not self._is_recent(self._named, (image, steps)):
            self.world.blame(
                f"(50) {name} is planned with platform steps that are not in force, nor on trial on it"
            )
        if "image" not in origin:
            return
        parent = _value(origin["image"])
        theirs = self._built.get((parent, _text(origin["version"])))
        if theirs in self._tried and not self._is_recent(self._named, (image, theirs)):
            self.world.blame(
                f"(50) {name} is planned on a version of {parent} that has platform steps on trial"
            )

    def _is_recent(self, known: Mapping[Any, datetime | None], key: object) -> bool:
        """True where it holds now, or did when the plan's facts were read."""
        until = known.get(key, _LONG_AGO)
        return until is None or self.world.ports.clock.now() - until <= _READ


_LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _value(said: Any) -> str:
    """The text of a name or a digest in a row."""
    return str(said["value"] if isinstance(said, Mapping) else said)


def _text(said: Any) -> str:
    return json.dumps(said, sort_keys=True)
