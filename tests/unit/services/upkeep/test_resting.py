"""Rule 17: an image that rests costs a sweep its share of a page, and is found when its reason has ended."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks.growth import seeded
from benchmarks.growth.seeded import SeededFleet, name_of
from pipeline_core.domain import breaker, claims
from pipeline_core.domain import fingerprint as fingerprints
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.images import Breaker, ImageHead
from pipeline_core.domain.looks import LookNote
from pipeline_core.domain.names import LIVE, CampaignId, ImageName
from pipeline_core.domain.policy import ComplianceFloor
from pipeline_core.domain.sources import ParentReference
from pipeline_core.domain.staleness import Stale, World, detect_staleness
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.services.upkeep import images as upkeep
from pipeline_core.state import images as records
from simulation import world
from tests.unit.services import scenes

COUNT = 120
_QUIET = 11 + 8  # operations: the parts of a sweep, and the copies in turn


def _flat(change: Callable[[ImageHead], ImageHead]) -> SeededFleet:
    fleet = seeded.current(seeded.flat(COUNT))
    fleet.change(change)
    return fleet


def _window(window: str) -> SeededFleet:
    return _flat(lambda head: seeded.stale(head, window=window))


def _suspended() -> SeededFleet:
    return _flat(lambda head: seeded.stale(head, suspend=True))


def _blocked() -> SeededFleet:
    fleet = _flat(seeded.stale)
    fleet.block()
    return fleet


def _broken() -> SeededFleet:
    """Every image has an open breaker at the content that it should have."""
    fleet = _flat(seeded.stale)
    around = _world(fleet)

    def open_breaker(head: ImageHead) -> ImageHead:
        found = detect_staleness(head.name, around)
        assert isinstance(found, Stale)
        content = breaker.content_of(found.desired)
        return replace(head, failures=3, breaker=Breaker(opened_at=head.registered_at, content=content))

    fleet.change(open_breaker)
    return fleet


def _waiting() -> SeededFleet:
    """Every image waits for the base, which builds."""
    fleet = seeded.current(seeded.below_one(COUNT - 1))
    fleet.change(lambda head: head if head.name == name_of(0) else seeded.stale(head))
    fleet.world.factory.requests.request(name_of(0), world.ADMIN, "test", "test")
    return fleet


def _world(fleet: SeededFleet) -> World:
    stores = fleet.world.base.records
    return World(
        heads={head.name: head for head in fleet.heads()},
        sources=stores.sources.followed(),
        platform=stores.sources.find_platform(),
    )


def _looked_at(fleet: SeededFleet) -> None:
    """Every image was looked at once, and left its note."""
    for head in fleet.heads():
        fleet.world.factory.reconciler.reconcile(head.name, CampaignId("test"))
    scenes.lose(fleet.world)


def _asked(fleet: SeededFleet) -> list[str]:
    asked = scenes.asked(fleet.world)
    scenes.lose(fleet.world)
    return asked


@pytest.mark.parametrize(
    "make",
    [lambda: _window(seeded.CLOSED), _suspended, _blocked, _broken, _waiting],
    ids=["window", "suspended", "blocked", "breaker", "waiting"],
)
def test_a_sweep_of_resting_images_costs_what_a_quiet_one_costs(make: Callable[[], SeededFleet]) -> None:
    fleet = make()
    _looked_at(fleet)
    cost = fleet.sweep()
    assert _asked(fleet) == []
    assert cost.tables <= _QUIET + 2  # the base of those that wait has a slot or a row in a line
    assert cost.queues <= 1


def test_images_whose_window_opens_are_asked_for_by_the_next_sweep() -> None:
    fleet = _window("Mon-Fri 06:00-20:00 UTC")
    fleet.world.ports.clock.set(datetime(2026, 11, 23, 5, 59, tzinfo=UTC))  # a Monday
    fleet.sweep()
    assert _asked(fleet) == []
    fleet.world.ports.clock.advance(timedelta(minutes=1))
    fleet.sweep()
    assert len(_asked(fleet)) == COUNT


def test_an_image_whose_refresh_period_begins_is_asked_for() -> None:
    month = timedelta(days=30)

    def in_period(head: ImageHead) -> ImageHead:
        now = fleet.world.ports.clock.now()
        period = fingerprints.refresh_period(head.name, now, month)
        changed = replace(head, registration=replace(head.registration, max_age=month), period=period)
        assert head.current is not None
        inputs = replace(head.current.inputs, period=period)
        current = replace(head.current, inputs=inputs, fingerprint=fingerprints.fingerprint(inputs))
        return replace(changed, current=current)

    fleet = seeded.current(seeded.flat(COUNT))
    fleet.change(in_period)
    fleet.sweep()
    assert _asked(fleet) == []
    fleet.world.ports.clock.advance(month)
    fleet.sweep()
    assert len(_asked(fleet)) == COUNT


def _claim_of(fleet: SeededFleet, image: ImageName) -> Any:
    found = detect_staleness(image, _world(fleet))
    assert isinstance(found, Stale)
    stored = scenes.images(fleet.world).find_claim(image, found.fingerprint)
    assert stored is not None
    return stored


def _set_claim(fleet: SeededFleet, image: ImageName, **changes: Any) -> None:
    stored = _claim_of(fleet, image)
    scenes.images(fleet.world).commit([records.put_claim(replace(stored.value, **changes), etag=stored.etag)])


def test_an_image_whose_cool_down_is_over_is_asked_for() -> None:
    fleet = _blocked()
    _set_claim(fleet, name_of(7), outcome=Outcome.EXHAUSTED)
    _looked_at(fleet)
    fleet.sweep()
    assert _asked(fleet) == []
    fleet.world.ports.clock.advance(claims.COOL_DOWN)
    fleet.sweep()
    assert _asked(fleet) == [str(name_of(7))]


def test_a_blocked_image_without_a_note_is_asked_for_and_its_look_leaves_one() -> None:
    fleet = _blocked()
    fleet.sweep()
    assert len(scenes.asked(fleet.world)) == COUNT
    fleet.world.drain()
    fleet.sweep()
    assert _asked(fleet) == []


def test_a_note_that_cannot_be_read_is_no_note() -> None:
    fleet = _blocked()
    _looked_at(fleet)
    row = fleet.world.ports.tables.find("index", "fleet", str(name_of(3)))
    assert row is not None
    spoilt = replace(row, cells={**row.cells, "look": "{"})
    fleet.world.ports.tables.write("index", [TableWrite(verb=WriteKind.REPLACE, row=spoilt)])
    fleet.sweep()
    assert _asked(fleet) == [str(name_of(3))]


def test_a_note_of_a_claim_that_has_changed_since_is_found_within_half_a_day() -> None:
    """Somebody renewed the claim, and the message about it was lost."""
    fleet = _blocked()
    _looked_at(fleet)
    _set_claim(fleet, name_of(50), outcome=Outcome.SUPERSEDED)
    asked: list[str] = []
    for _ in range(72):
        fleet.world.ports.clock.advance(world.SWEEP)
        fleet.sweep()
        asked += _asked(fleet)
    assert str(name_of(50)) in asked
    assert set(asked) == {str(name_of(50))}


def test_an_image_that_a_laxer_floor_lets_through_is_asked_for() -> None:
    """No policy is in force, so that the floor in force asks for less than the one that refused the image."""
    fleet = _blocked()
    _looked_at(fleet)
    strict = ComplianceFloor(profile="cis_server_l2", min_score=100)
    _set_claim(fleet, name_of(5), floor=strict)
    claim = replace(_claim_of(fleet, name_of(5)).value, detail="")
    scenes.index(fleet.world).note_look(name_of(5), LookNote(root=name_of(5), claim=claim))
    cost = fleet.sweep()
    assert _asked(fleet) == [str(name_of(5))]
    assert cost.tables <= _QUIET + 4  # the policy, and the head of the one image


def test_one_sweep_asks_for_a_bounded_number_of_images_the_most_urgent_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upkeep, "MOST_WOKEN", 3)
    fleet = _flat(lambda head: seeded.stale(head) if head.name != name_of(COUNT - 1) else head)
    urgent = name_of(COUNT - 1)
    fleet.change(
        lambda head: (
            replace(head, registration=replace(head.registration, catalog=("tool",)))
            if head.name == urgent
            else head
        )
    )
    stores = fleet.world.base.records.sources
    platform = stores.find_platform()
    assert platform is not None
    stores.save_platform(replace(platform, catalog={"tool": ("tool", "1", "a" * 64)}), over=platform)
    fleet.sweep()
    assert _asked(fleet) == [str(urgent), str(name_of(0)), str(name_of(1))]


def test_an_image_in_a_cycle_keeps_no_other_from_being_asked_for() -> None:
    fleet = _flat(seeded.stale)
    one, other = name_of(1), name_of(2)

    def parent(head: ImageHead) -> ImageHead:
        above = {one: other, other: one}.get(head.name)
        if above is None:
            return head
        origin = ParentReference(image=above, channel=LIVE)
        return replace(head, registration=replace(head.registration, origin=origin))

    fleet.change(parent)
    fleet.sweep()
    assert len(_asked(fleet)) == COUNT - 2


def test_a_part_that_takes_too_long_is_cut_short_and_the_others_run() -> None:
    fleet = _flat(seeded.stale)
    made = fleet.world

    class Slow:
        """Each send takes five seconds."""

        def __getattr__(self, name: str) -> Any:
            return getattr(made.ports.queues, name)

        def send(self, queue: str, text: str, **named: Any) -> None:
            made.ports.clock.advance(timedelta(seconds=5))
            made.ports.queues.send(queue, text, **named)

    scenes.rewired(made, queues=Slow())
    report = made.factory.sweeper.sweep()
    assert report.stale == 19
    assert scenes.logged(made, "part-cut-short", subject="stale images")
    assert scenes.logged(made, "swept")


def test_the_note_of_a_look_survives_a_change_of_the_head() -> None:
    fleet = _blocked()
    _looked_at(fleet)
    row = fleet.world.ports.tables.find("index", "fleet", str(name_of(3)))
    assert row is not None
    assert "look" in row.cells
    fleet.world.base.effects.projection.project(name_of(3))
    again = fleet.world.ports.tables.find("index", "fleet", str(name_of(3)))
    assert isinstance(again, Row)
    assert again.cells["look"] == row.cells["look"]
