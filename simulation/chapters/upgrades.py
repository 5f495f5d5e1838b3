"""The factory's own releases: rows of an older one, of a newer one that was rolled back, and rows that cannot be read.

(17) What a newer release wrote into a row stays there, whatever this release writes. (18) A row that cannot be read is
left as it is, and stops nothing but itself; when it can be read again, everything goes on.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import TypeAdapter

from pipeline_core.domain.builds import Build
from pipeline_core.domain.claims import Claim
from pipeline_core.domain.errors import ErrorClass
from pipeline_core.domain.images import ImageHead
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.state.reading import cells
from pipeline_core.wire import messages
from simulation.chapters.chapter import Chapter, Happening

if TYPE_CHECKING:
    from simulation.story import SeedStory

_FIELD = "from_a_newer_release"
_LONGEST = timedelta(minutes=25)  # that a row cannot be read; people try an action for forty minutes
_SCHEMA = 99  # that no release writes
_BLAMED = f'"error_class":"{ErrorClass.INTERNAL.value}"'
_UNREADABLE = ("head", "build:", "claim:", "entry:", "past:")
_TYPES: Mapping[str, type[Any]] = {"head": ImageHead, "build:": Build, "claim:": Claim}
_Place = tuple[str, str, str]  # table, partition, key


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hidden:
    """A row that cannot be read until then: as it was, and the ETag of what hides it."""

    row: Row
    etag: str
    until: datetime


class FactoryReleases(Chapter):
    """Marks, hides and ages rows behind the factory's back, as other releases of it would have left them."""

    name: ClassVar[str] = "upgrades"
    watches_reads: ClassVar[bool] = True  # time passes with each call
    rate: ClassVar[float] = 0.8
    needs_sweep: ClassVar[bool] = True  # a row that can be read again tells nobody

    def __init__(self, story: "SeedStory", chance: random.Random) -> None:
        super().__init__(story, chance)
        self._marks: dict[_Place, int] = {}
        self._hidden: dict[_Place, _Hidden] = {}

    def happenings(self) -> Sequence[Happening]:
        """A newer release ran for a while, an older one did, or a row cannot be read."""
        return ((3, self._newer), (2, self._older), (3, self._hide))

    def end(self) -> None:
        """The newer release runs again: it can read everything."""
        for place in tuple(self._hidden):
            self._show(place)

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """Rows come back in time. A row that is deleted or made anew has no mark any more."""
        if self._hidden:
            now = self.world.ports.clock.now()
            for place in [place for place, hidden in self._hidden.items() if hidden.until <= now]:
                self._show(place)
        if name == "tables.write":
            for write in given[1]:
                if write.verb is not WriteKind.REPLACE:
                    place = (given[0], write.row.partition, write.row.key)
                    self._marks.pop(place, None)
                    self._hidden.pop(place, None)

    def violations(self) -> Sequence[str]:
        """(17) and (18), as far as they show at rest."""
        return [*self._lost_fields(), *self._stopped()]

    def _newer(self) -> None:
        """A newer release has written some rows, and a message; then it was rolled back."""
        number = len(self._marks) + 1
        for row in self._some_rows(4, "head", "build:", "claim:"):
            self._change("images", row, {_FIELD: number})
            self._marks["images", row.partition, row.key] = number
        image = self.story.some_image()
        look = json.loads(messages.RebuildMessage(image=image, reason="looked at").to_wire())
        self.world.ports.queues.send(messages.REBUILD_REQUESTS, json.dumps({**look, _FIELD: {"a": [1]}}))

    def _older(self) -> None:
        """An older release wrote some rows: without what it did not know, and without the rows of the history."""
        for row in self._some_rows(4, "head", "build:", "claim:"):
            kind = next(kind for prefix, kind in _TYPES.items() if row.key.startswith(prefix))
            said = json.loads(str(row.cells["value"]))
            plain = {each.name for each in fields(kind) if _is_plain(each, said.get(each.name))}
            self._change("images", row, {}, without=plain)
        for row in self._some_rows(3, "past:", "made:"):
            self.world.ports.tables.write("images", [TableWrite(verb=WriteKind.DELETE, row=row)])

    def _hide(self) -> None:
        """Some rows get a schema that this release does not know: mostly of builds that are under way."""
        for table, row in self._to_hide():
            if (table, row.partition, row.key) in self._hidden:
                continue
            until = self.world.ports.clock.now() + _LONGEST * self.chance.random()
            etag = self._write(table, row, {**row.cells, "schema": _SCHEMA})
            self._hidden[table, row.partition, row.key] = _Hidden(row=row, etag=etag, until=until)
            self.world.unreadable.add((table, row.partition, row.key))

    def _to_hide(self) -> Sequence[tuple[str, Row]]:
        """One row of any image; one of a build that is under way, or its image's head; and one of the index."""
        active = {
            build.id: build.image for build in self.world.safety.builds.values() if build.phase != "finished"
        }
        keys = {(image, f"build:{identity}") for identity, image in active.items()}
        keys |= {(image, "head") for image in active.values()}
        moving = [row for row in self.world.ports.tables.rows("images") if (row.partition, row.key) in keys]
        listed = [
            row for row in self.world.ports.tables.rows("index") if row.partition in ("pending", "fleet")
        ]
        readable = [row for row in moving if row.cells.get("schema") == 1]
        hinted = [row for row in listed if row.cells.get("schema") == 1]
        return [
            *(("images", row) for row in self._some_rows(1, *_UNREADABLE)),
            *(("images", row) for row in self.chance.sample(readable, min(1, len(readable)))),
            *(("index", row) for row in self.chance.sample(hinted, min(1, len(hinted)))),
        ]

    def _show(self, place: _Place) -> None:
        """The row can be read again. A row of the index is a hint: it may be gone, or made anew."""
        hidden = self._hidden.pop(place)
        row = self.world.ports.tables.find(*place)
        if row is None:
            return
        if row.etag == hidden.etag:
            self._write(place[0], row, hidden.row.cells)
        elif place[0] == "images":
            self.world.blame(f"(18) {'/'.join(place)} was rewritten while it could not be read")

    def _was_unreadable(self, row: Row) -> bool:
        """True for a build that ended by an error of the factory itself, which no builder has reported."""
        text = cells.joined(row.cells) or "{}"
        if _BLAMED not in text:
            return False
        build = json.loads(text)
        reported = self.world.platform.outages.reported_of(build["id"]["value"])
        return build["failure"] is None or build["failure"]["message"] not in reported

    def _some_rows(self, most: int, *prefixes: str) -> Sequence[Row]:
        """Rows of images that can be read and take one cell, drawn by the chapter."""
        rows = [
            row
            for row in self.world.ports.tables.rows("images")
            if row.key.startswith(prefixes) and row.cells.get("schema", 1) == 1 and "value2" not in row.cells
        ]
        return self.chance.sample(rows, min(most, len(rows)))

    def _change(
        self,
        table: str,
        row: Row,
        more: Mapping[str, Any],
        *,
        without: frozenset[str] | set[str] = frozenset(),
    ) -> None:
        said = json.loads(str(row.cells["value"]))
        changed = {name: value for name, value in said.items() if name not in without} | dict(more)
        self._write(table, row, {**row.cells, "value": json.dumps(changed)})

    def _write(self, table: str, row: Row, cells: Mapping[str, Any]) -> str:
        new = Row(partition=row.partition, key=row.key, cells=cells, etag=row.etag)
        return self.world.ports.tables.write(table, [TableWrite(verb=WriteKind.REPLACE, row=new)])[0]

    def _lost_fields(self) -> list[str]:
        found = []
        for (table, partition, key), number in self._marks.items():
            row = self.world.ports.tables.find(table, partition, key)
            if row is not None and json.loads(str(row.cells["value"])).get(_FIELD) != number:
                found.append(f"(17) {partition}/{key} lost the field {number} of a newer release")
        return found

    def _stopped(self) -> list[str]:
        ended = [
            line for line in self.world.ports.logs.lines if line.event == "message-ended-at-unreadable-row"
        ]
        queues = {str(line.fields["queue"]) for line in ended} & {messages.DISPATCH_REQUESTS}
        rows = self.world.ports.tables.rows("images")
        failed = [row.key for row in rows if row.key.startswith("build:") and self._was_unreadable(row)]
        return [
            *(f"(18) a row that cannot be read stopped {queue}" for queue in sorted(queues)),
            *(f"(18) {key} failed because a row could not be read" for key in failed),
        ]


def _is_plain(each: Any, said: Any) -> bool:
    """True where a row without this field says the same."""
    if each.default is MISSING:
        return False
    return bool(TypeAdapter(Any).dump_python(each.default, mode="json") == said)
