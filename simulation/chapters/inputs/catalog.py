"""SecOps publish new versions of catalog tools, add tools and take some out, while images name them and leave them.

The chapter keeps its own record: which tools were in force when, what was planned, and what the platform was given.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.journal import Event
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, rest, rows, world
from simulation.chapters.chapter import Chapter, Happening
from simulation.chapters.inputs.jobs import SeenJobs, heads_of, judged_at_rest

if TYPE_CHECKING:
    from simulation.story import SeedStory

Tool = tuple[str, str, str]  # its id, its version and the digest of its file
_TOOLS = ("agent", "runtime", "scanner")
_READ = timedelta(minutes=5)  # between the read of the catalog and the write of a plan, with handlers between
_WATCHED = timedelta(minutes=50)  # of a tool that images name and that is gone: several sweeps


class CatalogChanges(Chapter):
    """Every second image names one tool or two. A tool that is named leaves the catalog only where SecOps insist."""

    name: ClassVar[str] = "catalog"
    # An image whose tool is gone publishes nothing: no event reaches the images below it.
    needs_sweep: ClassVar[bool] = True

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._named: dict[str, set[str]] = {}
        self._versions = 0
        self._kept: Mapping[str, str] = {}  # the last version of each tool that ever was there
        self._in_force: frozenset[Tool] = frozenset()
        self._on_trial: frozenset[Tool] = frozenset()  # the tools of the images that a trial names
        self._canaries: frozenset[str] = frozenset()
        self._left: dict[Tool, datetime] = {}  # until when a tool that is not in force now was
        self._planned: dict[str, tuple[str, datetime]] = {}  # the image of a build, and when it was planned
        self._jobs = SeenJobs(self.world.ports)

    def begin(self) -> None:
        """The first tools are in force before anybody names one."""
        self._put(dict.fromkeys(_TOOLS, "1.0.0"))

    def document(self, image: str) -> Mapping[str, Any]:
        """A team that registers its image does not name a tool that is gone."""
        if image not in self._named:
            count = min(self.chance.choice((0, 0, 1, 2)), len(self.world.tools))
            self._named[image] = set(self.chance.sample(sorted(self.world.tools), count))
        known = self._named[image] & self.world.tools.keys()
        if image in self._canaries:  # it is built with the catalog of its trial
            known &= {tool[0] for tool in self._on_trial}
        return {"catalog": sorted(known)}

    def happenings(self) -> Sequence[Happening]:
        """Mostly new versions."""
        return (
            (4, self._publish),
            (1, self._add),
            (2, self._leave),
            (3, self._name),
            (2, self._unname),
        )

    def end(self) -> None:
        """A tool that images name leaves, and they say so. Then SecOps put it back, or their teams let go of it."""
        named = sorted({tool for head in heads_of(self.world.ports) for tool in head.registration.catalog})
        there = [tool for tool in named if tool in self.world.tools]
        if there:
            self._watch_a_tool_leave(self.chance.choice(there))
        gone = [tool for tool in named if tool not in self.world.tools]
        if gone and self.chance.random() < 0.5:
            self._put({**self.world.tools, **{tool: self._kept[tool] for tool in gone}})
        for head in list(heads_of(self.world.ports)):
            if not self.world.tools.keys() >= set(head.registration.catalog):
                self.story.register(str(head.name))

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(29) Nothing is planned with a tool that is not in force, or built with another file than its own."""
        if name == "tables.write":
            for write in given[1]:
                self._look_at_row(given[0], write)
        elif name == "containers.create_group":
            for tool in self._jobs.add(given[0]).catalog:
                if tool.url != fleet.address(tool.id, tool.version):
                    text = f"fetches {tool.id} {tool.version} from {tool.url}, which serves another file"
                    self.world.blame(f"(29) the job of {given[0].name} {text}")

    def violations(self) -> Sequence[str]:
        """(29) Each current version was built with the tools in force, as the platform's job says."""
        found = []
        for head in judged_at_rest(self.world.ports):
            job = self._jobs.find(head, "build")
            there = self._on_trial if str(head.name) in self._canaries else self._in_force
            wanted = {tool for tool in there if tool[0] in head.registration.catalog}
            if job is None or rest.last_failed(self.world, head.name):
                continue
            staged = {(tool.id, tool.version, tool.sha256) for tool in job.catalog}
            if staged != wanted:
                text = f"was built with {_text(staged)}, in force is {_text(wanted)}"
                found.append(f"(29) {head.name}@{job.destination.version} {text}")
        return found

    def _put(self, tools: Mapping[str, str], *, drop_used: bool = False) -> bool:
        """SecOps put a catalog in force. False where it is refused; then the one before stays."""
        before, is_refused = self.world.tools, False
        self._kept = {**self._kept, **before}

        def put() -> None:
            nonlocal is_refused
            self.world.tools = dict(tools)
            try:
                world.put_platform(self.world, self.world.steps, drop_used=drop_used)
            except InvalidDocument:
                self.world.tools, is_refused = before, True

        self.story.insist(put)
        return not is_refused

    def _publish(self) -> None:
        self._versions += 1
        tool = self.chance.choice(sorted(self.world.tools))
        self._put({**self.world.tools, tool: f"1.{self._versions}.0"})

    def _add(self) -> None:
        self._versions += 1
        self._put({**self.world.tools, f"tool-{self._versions}": "1.0.0"})

    def _leave(self) -> None:
        """One that is named leaves where SecOps insist; then it is missed, until it is put back or let go of."""
        if len(self.world.tools) < 2:
            return
        tool = self.chance.choice(sorted(self.world.tools))
        users = [str(head.name) for head in heads_of(self.world.ports) if tool in head.registration.catalog]
        insists = self.chance.random() < 0.5
        is_gone = self._put(_without(self.world.tools, tool), drop_used=insists)
        if self.world.injector.faults.any or len(self.world.chapters) > 1:
            return  # copies of heads may lag, or cannot be read, so that a use is seen late
        if is_gone and users and not insists:
            self.world.blame(f"(30) {tool} left the catalog, although {', '.join(users)} name it")
        if not is_gone and not users:
            self.world.blame(f"(30) {tool} had to stay in the catalog, although no image names it")

    def _name(self) -> None:
        image = self.story_image()
        self._named.setdefault(image, set()).add(self.chance.choice(sorted(self.world.tools)))
        self.story.register(image)

    def _unname(self) -> None:
        image = self.story_image()
        named = sorted(self._named.get(image, ()))
        if named:
            self._named[image].discard(self.chance.choice(named))
            self.story.register(image)

    def story_image(self) -> str:
        """An image of the story, drawn by this chapter."""
        return self.chance.choice(sorted(self.story.parents))

    def _watch_a_tool_leave(self, tool: str) -> None:
        """(30) Images that name a tool which is gone say so, with its date. No build of them is planned."""
        began = self.world.ports.clock.now()
        self._put(_without(self.world.tools, tool), drop_used=True)
        self.story.release()
        self.world.wake()
        self.world.run_until(self.world.ports.clock.now() + _WATCHED)
        for head in list(heads_of(self.world.ports)):
            if tool in head.registration.catalog and str(head.name) not in self._canaries:
                self._demand_said(head, tool, began)

    def _demand_said(self, head: ImageHead, tool: str, began: datetime) -> None:
        if any(chapter.name == "upgrades" for chapter in self.world.chapters):
            return  # some of its rows cannot be read yet
        view = self.world.factory.queries.image(head.name).image
        said = [each for each in view.conditions if each.type is ConditionType.TOOL_DROPPED]
        if not any(each.since is not None and tool in each.message for each in said):
            self.world.blame(f"(30) {head.name} does not say since when {tool} is gone")
        entries = self.world.base.records.images.list_journal(head.name, limit=1000)
        told = [
            entry
            for entry in entries
            if entry.event is Event.TOOL_DROPPED and entry.at >= began - _READ and tool in entry.detail
        ]
        if len(told) != 1:
            self.world.blame(f"(30) the journal of {head.name} tells {len(told)} times that {tool} is gone")
        planned = [
            build
            for build, (image, at) in self._planned.items()
            if image == str(head.name) and at > began + _READ
        ]
        if planned:
            self.world.blame(f"(30) {planned[0]} was planned, although {tool} is gone")

    def _look_at_row(self, table: str, write: TableWrite) -> None:
        row = write.row
        if write.verb is WriteKind.DELETE:
            return
        if table == "index" and (row.partition, row.key) == ("platform", "current"):
            self._note_catalog(rows.said_by(row))
        if table == "images" and row.key.startswith("build:"):
            self._demand_in_force(rows.said_by(row))

    def _note_catalog(self, platform: Mapping[str, Any]) -> None:
        trial = platform.get("trial") or {"catalog": {}, "images": ()}
        before, moment = self._in_force | self._on_trial, self.world.ports.clock.now()
        self._in_force, self._on_trial = _tools_in(platform["catalog"]), _tools_in(trial["catalog"])
        self._canaries = frozenset(each["value"] for each in trial["images"])
        self._left |= dict.fromkeys(before - self._in_force - self._on_trial, moment)

    def _demand_in_force(self, build: Mapping[str, Any]) -> None:
        name, now = build["id"]["value"], self.world.ports.clock.now()
        if name in self._planned:
            return
        self._planned[name] = (build["image"]["value"], now)
        for each in build["inputs"]["catalog"]:
            tool = (each[0], each[1], each[2])
            left = self._left.get(tool)
            is_there = tool in self._in_force or tool in self._on_trial
            if not is_there and (left is None or now - left > _READ):
                self.world.blame(f"(29) {name} is planned with {tool[0]} {tool[1]}, which is not in force")


def _tools_in(catalog: Mapping[str, Any]) -> frozenset[Tool]:
    return frozenset((tool[0], tool[1], tool[2]) for tool in catalog.values())


def _without(tools: Mapping[str, str], tool: str) -> dict[str, str]:
    return {name: version for name, version in tools.items() if name != tool}


def _text(tools: set[Tool]) -> str:
    return " ".join(sorted(f"{tool} {version}" for tool, version, _ in tools)) or "no tool"
