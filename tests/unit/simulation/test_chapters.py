"""Chapters are told beside the base story: each draws from its own chance, watches every call and is asked at rest."""

import json
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.state.history import add_entry
from simulation import __main__ as command
from simulation import rest, seeds, world
from simulation.chapters import contents
from simulation.chapters.chapter import Chapter, Happening
from simulation.chapters.webhooks import SickReceivers
from simulation.seeds import SeedPlan
from simulation.story import SeedStory

pytestmark = pytest.mark.slow  # whole runs of the simulated factory


class _Diary(Chapter):
    """Writes down what it is asked."""

    name = "diary"
    rate = 1.0

    def __init__(self, story: SeedStory, chance: random.Random) -> None:
        super().__init__(story, chance)
        self.lines: list[str] = []
        self.calls = 0

    def document(self, image: str) -> Mapping[str, Any]:
        return {"maxAge": "300d"}

    def begin(self) -> None:
        self.lines.append("begin")

    def happenings(self) -> list[Happening]:
        return [(1, lambda: self.lines.append("act"))]

    def end(self) -> None:
        self.lines.append("end")

    def people_look(self) -> int:
        self.lines.append("people")
        return 0

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        self.calls += 1

    def violations(self) -> list[str]:
        return ["(0) the diary is full"]


def _told(*, days: int = 0) -> tuple[world.SimulatedWorld, _Diary]:
    made = world.make(seed=3, slots=4)
    made.dozes = bool(days)
    story = SeedStory(world=made, chance=random.Random("story 3"), images=4, days=days)
    diary = _Diary(story, random.Random("diary 3"))
    story.chapters.append(diary)
    story.run()
    return made, diary


def test_a_chapter_is_told_from_its_beginning_to_its_end() -> None:
    made, diary = _told()
    assert diary.lines[0] == "begin"
    assert diary.lines[1:7] == ["act"] * 6
    assert diary.lines[7] == "end"
    assert set(diary.lines[8:]) == {"people"}
    assert diary.calls > 100
    assert rest.violations(made) == ["(0) the diary is full"]
    heads = [made.base.records.images.get_head(name).value for name in made.registered]
    assert {head.registration.max_age for head in heads} == {timedelta(days=300)}


def test_a_long_story_takes_its_days_and_sleeps_while_nothing_happens() -> None:
    made, diary = _told(days=7)
    began = world.make(seed=3).ports.clock.now()
    assert made.ports.clock.now() - began > timedelta(days=6)
    assert diary.lines.count("act") == 42


@pytest.mark.parametrize("name", contents.ALL)
def test_each_chapter_holds_alone_and_is_named_by_its_command(name: str) -> None:
    assert contents.ALL[name].name == name
    plan = SeedPlan(seed=2, images=6, slots=3, faults="light", chapters=(name,), days=3)
    assert seeds.run(plan).violations == (), plan.command()
    assert plan.command().endswith(f"--chapters {name} --days 3")


@pytest.mark.parametrize("hidden", [None, 0, 1])
def test_an_entry_comes_after_a_later_one_only_where_it_could_not_be_read(hidden: int | None) -> None:
    made = world.make()
    story = SeedStory(world=made, chance=random.Random("story 1"), images=1)
    chapter = SickReceivers(story, random.Random("webhooks 1"))
    entries = []
    for _ in range(2):
        entries.append(made.base.effects.journal.of_image(ImageName("image-1"), Event.REQUESTED))
        chapter.watch("tables.write", ("images", [add_entry(entries[-1])]), {})
        made.ports.clock.advance(timedelta(minutes=10))
    if hidden is not None:
        made.unreadable.add(("images", "image-1", add_entry(entries[hidden]).row.key))
    for entry in reversed(entries):
        event = {"id": f"image-1.{entry.key}", "subject": "image-1", "data": {"entry": entry.key}}
        chapter.watch("web.post", ("https://well-0.factory.corp/", json.dumps(event)), {})
    late = f"(19) https://well-0.factory.corp/ got image-1 {entries[0].key} after {entries[1].key}, which is later"
    assert chapter.violations() == ([] if hidden == 0 else [late])


def test_a_chapter_that_nobody_wrote_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="no chapter is named nothing: there are "):
        command.main(["--chapters", "nothing"])


class _Reader(_Diary):
    watches_reads = True


def test_who_joins_later_sees_what_it_watches() -> None:
    made, diary = _told()
    before = diary.calls
    reader = _Reader(diary.story, random.Random(1))
    made.chapters.append(reader)
    made.faulty.tables.find("images", "nobody", "head")
    assert (diary.calls - before, reader.calls) == (0, 1)
    made.faulty.queues.send("build-events", "x")
    assert (diary.calls - before, reader.calls) == (1, 2)
