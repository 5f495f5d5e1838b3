"""A sweep at rest that costs too much is named; one that closes what a due refresh has opened is not at rest."""

import random
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.receivers import ReceiverId
from pipeline_core.ports import WebAnswer
from pipeline_core.services.effects.notices import Notices
from simulation import world
from simulation.chapters.chapter import Chapter
from simulation.chapters.sweeps import SweepCosts
from simulation.story import SeedStory
from simulation.world import SimulatedWorld
from tests.unit.simulation.broken import BASE, JAVA

pytestmark = pytest.mark.slow  # whole runs of the simulated factory

_HOOKS = tuple(f"https://hook-{number}.factory.corp/" for number in range(4))


class _RefreshedAndHeard(Chapter):
    """Each image is refreshed every three days, and four receivers hear of its versions."""

    name = "refreshed-and-heard"

    def document(self, image: str) -> Mapping[str, Any]:
        """The same of each image."""
        hooks = [{"webhook": url, "events": [Event.PUBLISHED.value]} for url in _HOOKS]
        return {"maxAge": "3d", "notify": hooks}

    def begin(self) -> None:
        """All receivers accept."""
        for url in _HOOKS:
            self.world.ports.web.answers[url] = WebAnswer(status=204, body=b"")
            receiver = ReceiverId.of(url, TeamName("secops"))
            self.world.ports.secrets.set(receiver.secret_name, f"whsec_{'A' * 43}=")


def _told() -> tuple[SimulatedWorld, SweepCosts]:
    made = world.make()
    story = SeedStory(world=made, chance=random.Random(1), images=2)
    costs = SweepCosts(story, random.Random(1))
    for chapter in (_RefreshedAndHeard(story, random.Random(1)), costs):
        story.chapters.append(chapter)
        made.chapters.append(chapter)
        chapter.begin()
    story.parents = {str(BASE): None, str(JAVA): str(BASE)}
    for name in story.parents:
        story.register(name)
    made.settle()
    return made, costs


def _publishes(made: SimulatedWorld) -> int:
    return sum(made.safety.publishes.values())


def test_what_a_due_refresh_has_opened_is_closed_before_a_sweep_is_counted() -> None:
    made, costs = _told()
    before = _publishes(made)
    made.ports.clock.advance(timedelta(days=4))
    assert costs.violations() == []
    assert _publishes(made) == before + 1, "the base was refreshed, and its child is suspended"


def test_a_sweep_that_reads_more_than_its_bound_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made, costs = _told()
    repair = Notices.repair
    monkeypatch.setattr(Notices, "repair", lambda notices: sum(repair(notices) for _ in range(20)))
    made.ports.clock.advance(timedelta(days=4))
    (line,) = costs.violations()
    assert re.match(r"\(28\) a sweep at rest took \d+ operations, 14 are its bound", line)
