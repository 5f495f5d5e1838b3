"""Files of tools are lost from storage, and a scanner finds something in one that was admitted; SecOps bring others.

Where the chapter `catalog` runs too, its tools are used; otherwise this chapter puts two tools in force. It keeps its
own record of which files were admitted when, as the tables were written.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline_core.domain import tools
from pipeline_core.domain.conditions import ConditionType
from pipeline_core.domain.tools import ScanResult
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, rows, world
from simulation.chapters.chapter import Chapter, Happening
from simulation.chapters.inputs import brought
from simulation.chapters.inputs.jobs import SeenJobs, heads_of

if TYPE_CHECKING:
    from simulation.story import SeedStory

_READ = timedelta(minutes=5)  # between the look at a record and the creation, with handlers between
_WATCHED = timedelta(minutes=50)  # of a release that a waiting image must not be built from
_ROUND = timedelta(hours=8)  # in which every admitted file is looked at again, also where the timers rest


class ToolFiles(Chapter):
    """Every second image names a tool. People repair what is lost at the end, and what is refused at once."""

    name: ClassVar[str] = "tool-files"
    # What is admitted again is seen by the timer alone.
    needs_sweep: ClassVar[bool] = True

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._named: dict[str, list[str]] = {}
        self._versions = 0
        self._admitted: set[str] = set()
        self._left: dict[str, datetime] = {}  # since when a file that was admitted is not
        self._jobs = SeenJobs(self.world.ports)

    def begin(self) -> None:
        """Two tools are in force before anybody names one. What another chapter has brought before is noted."""
        for row in self.world.ports.tables.rows("index"):
            self._note("index", TableWrite(verb=WriteKind.INSERT, row=row))
        if not self._is_beside_catalog():
            self._put({"agent": "1.0.0", "runtime": "1.0.0"})

    def document(self, image: str) -> Mapping[str, Any]:
        """The chapter `catalog` decides where it runs too."""
        if self._is_beside_catalog():
            return {}
        if image not in self._named:
            count = self.chance.choice((0, 1, 1, 2))
            self._named[image] = sorted(self.chance.sample(sorted(self.world.tools), count))
        return {"catalog": self._named[image]}

    def happenings(self) -> Sequence[Happening]:
        """Mostly a copy is lost, which the factory makes again by itself."""
        return ((3, self._lose_copy), (1, self._lose_all), (2, self._find_later), (1, self._let_wait))

    def end(self) -> None:
        """A tool is refused while images name it: they say so and are not built. Then SecOps pin another file.

        First they undelete what is lost: the factory may not have seen the loss yet, and then asks for no file.
        """
        self._undelete()
        self._repair()
        named = sorted({tool for head in heads_of(self.world.ports) for tool in head.registration.catalog})
        there = [tool for tool in named if tool in self.world.tools]
        is_plain = len(self.world.chapters) == 1 and not self.world.injector.faults.any
        if there and is_plain:
            self._watch_a_refusal(self.chance.choice(there))
        self._repair()

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """(49) No container is given a job with a tool whose file is not admitted."""
        if name == "tables.write":
            for write in given[1]:
                self._note(given[0], write)
        elif name == "containers.create_group":
            job, now = self._jobs.add(given[0]), self.world.ports.clock.now()
            for tool in (*job.catalog, *job.tools):
                since = self._left.get(tool.sha256)
                is_late = since is None or now - since > _READ
                if tool.sha256 not in self._admitted and is_late:
                    text = f"takes {tool.id} {tool.version}, whose file is not admitted"
                    self.world.blame(f"(49) the job of {given[0].name} {text}")

    def forget(self) -> None:
        """The records of files are lost with the tables; the copies in storage are not."""
        self._left |= dict.fromkeys(self._admitted, self.world.ports.clock.now())
        self._admitted.clear()

    def _note(self, table: str, write: TableWrite) -> None:
        row = write.row
        if table != "index" or row.partition != "tools":
            return
        is_in = write.verb is not WriteKind.DELETE and rows.said_by(row)["state"] == "admitted"
        if is_in:
            self._admitted.add(row.key)
        elif row.key in self._admitted:
            self._admitted.discard(row.key)
            self._left[row.key] = self.world.ports.clock.now()

    def _is_beside_catalog(self) -> bool:
        return any(chapter.name == "catalog" for chapter in self.world.chapters)

    def _put(self, wanted: Mapping[str, str]) -> bool:
        """SecOps bring the files and put a catalog in force. False where a file of it is not admitted."""
        before, is_refused = self.world.tools, False

        def put() -> None:
            nonlocal is_refused
            self.world.tools = dict(wanted)
            try:
                world.put_platform(self.world, self.world.steps)
            except InvalidDocument:
                self.world.tools, is_refused = before, True

        self.story.insist(put)
        return not is_refused

    def _lose(self, container: str, tool: str) -> None:
        digest = str(brought.digest_of(tool, self.world.tools[tool]))
        if self.world.ports.blobs.find_facts(container, digest) is not None:
            self.world.ports.blobs.lose(container, digest)

    def _lose_copy(self) -> None:
        self._lose(tools.SERVED, self._any_tool())

    def _lose_all(self) -> None:
        tool = self._any_tool()
        self._lose(tools.SERVED, tool)
        self._lose(tools.QUARANTINE, tool)

    def _undelete(self) -> None:
        blobs = self.world.ports.blobs
        for tool, version in sorted(self.world.tools.items()):
            digest = str(brought.digest_of(tool, version))
            if not any(blobs.find_facts(each, digest) for each in (tools.SERVED, tools.QUARANTINE)):
                content = fleet.file_of(tool, version)
                blobs.create(tools.QUARANTINE, digest, content, media_type="text/plain")

    def _find_later(self) -> None:
        """A scanner finds something; SecOps hear of it, and pin another version."""
        self._refuse(self._any_tool())
        self._repair()

    def _let_wait(self) -> None:
        """The scanner has no answer about a new version: the catalog with it is refused until it has."""
        tool, version = self._any_tool(), self._next_version()
        digest = str(brought.digest_of(tool, version))
        self.world.ports.scanner.say(tools.QUARANTINE, digest, ScanResult.UNKNOWN, "not yet")
        is_in = self._put({**self.world.tools, tool: version})
        if is_in:
            self.world.blame(f"(49) {tool} {version} is in force, and no scanner has seen its file")
        self.world.ports.scanner.say(tools.QUARANTINE, digest, ScanResult.CLEAN)

    def _refuse(self, tool: str) -> None:
        digest = str(brought.digest_of(tool, self.world.tools[tool]))
        for container in (tools.SERVED, tools.QUARANTINE):
            self.world.ports.scanner.say(container, digest, ScanResult.FOUND, "Malicious")

    def _repair(self) -> None:
        """SecOps bring what is lost, and pin another version of what a scanner has found something in."""
        wanted = {
            tool: self._next_version() if self._is_bad(tool, version) else version
            for tool, version in sorted(self.world.tools.items())
        }
        self._put(wanted)

    def _is_bad(self, tool: str, version: str) -> bool:
        answer = self.world.ports.scanner.said(tools.QUARANTINE, str(brought.digest_of(tool, version)))
        return answer.result is ScanResult.FOUND

    def _watch_a_refusal(self, tool: str) -> None:
        """(49) Images whose tool is refused say so, and no build of them begins; the others are built."""
        self._refuse(tool)
        self.world.run_until(self.world.ports.clock.now() + _ROUND)
        self.story.release()
        self.world.wake()
        self.world.run_until(self.world.ports.clock.now() + _WATCHED)
        for head in list(heads_of(self.world.ports)):
            if tool not in head.registration.catalog:
                continue
            view = self.world.factory.queries.image(head.name).image
            if not any(each.type is ConditionType.CATALOG_NOT_ADMITTED for each in view.conditions):
                self.world.blame(f"(49) {head.name} does not say that the file of {tool} is refused")

    def _any_tool(self) -> str:
        return self.chance.choice(sorted(self.world.tools))

    def _next_version(self) -> str:
        self._versions += 1
        return f"2.{self._versions}.0"
