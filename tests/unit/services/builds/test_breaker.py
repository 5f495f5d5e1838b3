"""The breaker in the engine: opened in the end's transaction, reported, shown, and closed by a change or a person."""

from collections.abc import Sequence

import pytest

from pipeline_core.domain.builds import Result
from pipeline_core.domain.claims import COOL_DOWN
from pipeline_core.domain.journal import Event
from pipeline_core.domain.versions import MarketplaceVersion
from pipeline_core.ports import TableWrite
from pipeline_core.wire.messages import NotificationMessage
from simulation.world import SOURCE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import ADMIN, BASE

ONE = {"rhel9-base": None}
BREAKER = (Event.BREAKER_OPENED, Event.BREAKER_CLOSED)
NEXT, AFTER_NEXT = "9.90.2026072323", "9.91.2026082323"


def _fail(made: SimulatedWorld, times: int) -> None:
    """A step of the team fails with each new release."""
    for _ in range(times):
        scenes.released(made, f"9.{20 + len(scenes.builds(made, BASE))}.2026062323")
        made.drain()
        made.ports.clock.advance(COOL_DOWN)


def _opened(**options: object) -> SimulatedWorld:
    made = scenes.settled(ONE, **options)
    made.platform.failing = {("rhel9-base", "build"): "provisioner"}
    _fail(made, 3)
    return made


def _story(made: SimulatedWorld) -> list[Event]:
    return [event for event in scenes.events(made, BASE) if event in BREAKER]


def _types(made: SimulatedWorld) -> list[str]:
    return [each.type.value for each in made.factory.queries.image(BASE).image.conditions]


def test_the_third_failure_opens_it_once_and_the_same_input_is_left_alone() -> None:
    made = _opened()
    assert scenes.head(made, BASE).failures == 3
    assert _story(made) == [Event.BREAKER_OPENED]
    count = len(scenes.builds(made, BASE))
    for _ in range(5):
        scenes.look(made, BASE)
        made.drain()
    assert scenes.rest_of(made, BASE) == "blocked"
    assert (len(scenes.builds(made, BASE)), _story(made)) == (count, [Event.BREAKER_OPENED])
    entry = scenes.entry_of(made, BASE, Event.BREAKER_OPENED)
    assert entry.build == scenes.builds(made, BASE)[-1].id
    assert "3 builds failed in a row" in entry.detail


def test_opening_is_written_with_the_third_failure_or_not_at_all() -> None:
    made = scenes.settled(ONE)
    made.platform.failing = {("rhel9-base", "build"): "provisioner"}
    together: list[set[str]] = []

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(Event.BREAKER_OPENED.value in str(write.row.cells.get("value")) for write in writes):
            together.append({write.row.key.partition(":")[0] for write in writes})

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    _play(made, 3)
    assert together == [{"build", "claim", "entry", "head", "past"}]


def _play(made: SimulatedWorld, times: int) -> None:
    """As `_fail`, by the factory that is wired now."""
    made.host.factory = made.factory
    _fail(made, times)


def test_an_open_breaker_is_shown_on_the_image_and_in_the_list() -> None:
    made = _opened()
    assert _types(made) == ["BreakerOpen", "Blocked"]
    (listed,) = made.factory.queries.images().images
    assert [each.type.value for each in listed.conditions] == ["BreakerOpen"]
    assert listed.conditions[0].since == scenes.builds(made, BASE)[-1].phase_since


def test_webhooks_that_want_it_are_notified() -> None:
    made = scenes.settled(ONE)
    scenes.wants(made, BASE, Event.BREAKER_OPENED)
    made.platform.failing = {("rhel9-base", "build"): "provisioner"}
    told: list[str] = []
    inner = made.ports.queues

    class Listening:
        def __getattr__(self, name: str) -> object:
            return getattr(inner, name)

        def send(self, queue: str, text: str, **options: object) -> None:
            if queue == "notification-requests":
                told.append(NotificationMessage.from_wire(text).entry)
            inner.send(queue, text, **options)  # type: ignore[arg-type]  # the delay

    scenes.rewired(made, queues=Listening())
    _play(made, 3)
    assert told == [scenes.entry_of(made, BASE, Event.BREAKER_OPENED).key]


def test_a_new_release_closes_it_for_one_try() -> None:
    made = _opened()
    scenes.released(made, NEXT)
    made.drain()
    assert _story(made) == [Event.BREAKER_OPENED, Event.BREAKER_CLOSED, Event.BREAKER_OPENED]
    assert scenes.head(made, BASE).failures == 4
    assert _types(made) == ["BreakerOpen", "Blocked"]
    made.platform.failing = {}
    scenes.released(made, AFTER_NEXT)
    made.drain()
    head = scenes.head(made, BASE)
    assert (head.failures, head.breaker) == (0, None)
    assert scenes.rest_of(made, BASE) == "current"
    assert _story(made)[-1] is Event.BREAKER_CLOSED
    assert _types(made) == []


def test_other_platform_steps_close_it() -> None:
    made = _opened()
    made.platform.failing = {}
    scenes.set_platform(made, "repaired")
    scenes.look(made, BASE)
    made.drain()
    assert scenes.rest_of(made, BASE) == "current"


def test_an_edited_definition_closes_it_and_forgets_the_failures() -> None:
    made = _opened()
    made.register("rhel9-base", None, text="repaired")
    made.drain()
    assert scenes.head(made, BASE).failures == 1
    assert _story(made) == [Event.BREAKER_OPENED, Event.BREAKER_CLOSED]


def test_a_person_closes_it_by_name() -> None:
    made = _opened()
    made.factory.requests.request(BASE, ADMIN, "looked", "k1")
    assert scenes.head(made, BASE).breaker is None
    entry = scenes.entry_of(made, BASE, Event.BREAKER_CLOSED)
    assert entry.actor == "Admin"
    made.platform.failing = {}
    made.drain()
    assert scenes.rest_of(made, BASE) == "current"
    assert _story(made) == [Event.BREAKER_OPENED, Event.BREAKER_CLOSED]


def test_what_a_person_asked_for_opens_it_again_after_three_failures() -> None:
    made = _opened()
    made.factory.requests.request(BASE, ADMIN, "looked", "k1")
    _fail(made, 3)
    assert scenes.head(made, BASE).failures == 3
    assert scenes.rest_of(made, BASE) == "blocked"
    assert _story(made) == [Event.BREAKER_OPENED, Event.BREAKER_CLOSED, Event.BREAKER_OPENED]


@pytest.mark.parametrize("failures", [1, 2])
def test_a_success_in_between_starts_the_count_again(failures: int) -> None:
    made = scenes.settled(ONE)
    made.platform.failing = {("rhel9-base", "build"): "provisioner"}
    _fail(made, failures)
    made.platform.failing = {}
    _fail(made, 1)
    assert scenes.rest_of(made, BASE) == "current"
    assert scenes.head(made, BASE).failures == 0
    assert _story(made) == []


def test_releases_that_are_gone_never_open_the_breaker_of_their_image() -> None:
    made = scenes.settled(ONE)
    for number in range(20, 24):
        release = MarketplaceVersion.parse(f"9.{number}.2026062323")
        scenes.released(made, str(release))
        made.ports.marketplace.withdraw(SOURCE, release)
        made.drain()
        made.settle()
    assert [each.result for each in scenes.builds(made, BASE)].count(Result.FAILED) == 4
    assert scenes.head(made, BASE).breaker is None
    assert scenes.rest_of(made, BASE) == "current"
