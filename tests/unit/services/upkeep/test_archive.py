"""Old history moves to blobs in slices, what is needed stays, and people and programs see no difference."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from pipeline_core.domain.builds import Build
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.feeds import Fact
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.domain.version_records import Standing, VersionRecord
from pipeline_core.ports import TableWrite
from pipeline_core.services.upkeep import archive as archiving
from pipeline_core.services.upkeep.archive import Archiver, ArchiveRule
from pipeline_core.state import images as records
from pipeline_core.state.archive.moves import BUILDS_OF_CHUNK, LINES
from pipeline_core.state.galleries.versions import put_version
from simulation.world import SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services.notify import receiving
from tests.unit.services.scenes import ADMIN, BASE, JAVA

ONE = {"rhel9-base": None}
RULE = ArchiveRule(lines=20, builds=2)
YEAR = timedelta(days=365)


def _archiver(made: SimulatedWorld, rule: ArchiveRule = RULE) -> Archiver:
    return replace(made.factory.archiver, rule=rule)


def _tell(made: SimulatedWorld, image: ImageName = BASE, many: int = LINES + 20) -> None:
    """Lines in the journal, one a second."""
    for number in range(many):
        made.ports.clock.advance(timedelta(seconds=1))
        entry = made.base.effects.journal.of_image(image, Event.REQUESTED, detail=f"line {number}")
        made.base.records.images.commit([records.add_entry(entry)], is_silent=True)


def _journal(made: SimulatedWorld, image: ImageName = BASE) -> list[str]:
    found, after = [], ""
    while True:
        page = made.factory.history.journal(image, after=after, limit=50)
        found += [entry.key for entry in page.entries]
        if page.after is None:
            return found
        after = page.after


def _builds(made: SimulatedWorld) -> list[str]:
    found, after = [], ""
    while True:
        page = made.factory.history.builds(BASE, after=after, limit=50)
        found += [build.id for build in page.builds]
        if page.next is None:
            return found
        after = page.next


def _rows(made: SimulatedWorld, prefix: str, image: ImageName = BASE) -> int:
    rows = made.ports.tables.rows("images")
    return sum(row.partition == str(image) and row.key.startswith(prefix) for row in rows)


def _many_failed(made: SimulatedWorld, many: int = BUILDS_OF_CHUNK + 4) -> Sequence[Build]:
    """Ended builds as a bad month leaves them, behind the one that is current."""
    failed: list[Build] = []
    made.platform.failing = {("rhel9-base", "build"): "provisioner"}
    for number in count():
        if len(failed) >= many:
            break
        made.ports.clock.advance(timedelta(hours=1))
        made.register("rhel9-base", None, text=f"try {number}")
        made.factory.requests.request(BASE, ADMIN, "again", f"key-{number}")
        made.drain()
        failed = [each for each in scenes.builds(made, BASE) if each.is_finished and each.failure]
    made.platform.failing = {}
    return failed


def test_old_lines_move_and_every_page_and_entry_stays_what_it_was() -> None:
    made = scenes.settled(ONE)
    _tell(made)
    made.ports.clock.advance(YEAR)
    before, rows = _journal(made), _rows(made, "entry:")
    assert _archiver(made).archive() == LINES
    assert _rows(made, "entry:") == rows - LINES + 1
    assert _journal(made) == before
    assert all(made.base.records.images.find_entry(BASE, key) is not None for key in before)
    assert scenes.logged(made, "history-archived", rows=LINES)


def test_what_is_young_or_shown_stays() -> None:
    made = scenes.settled(ONE)
    _tell(made)
    made.ports.clock.advance(timedelta(days=89))
    assert _archiver(made).archive() == 0
    made.ports.clock.advance(YEAR)
    assert _archiver(made, ArchiveRule(lines=60)).archive() == 0
    assert made.factory.archiver.rule == ArchiveRule(lines=1000, builds=200, age=timedelta(days=90))


@pytest.mark.slow
def test_builds_move_but_for_what_a_claim_or_a_version_needs() -> None:
    made = scenes.settled(ONE)
    (good,) = scenes.builds(made, BASE)
    _many_failed(made)
    made.register("rhel9-base", None, text="content")
    made.settle()
    made.ports.clock.advance(YEAR)
    before, rows = _builds(made), _rows(made, "build:")
    assert _archiver(made).archive() >= BUILDS_OF_CHUNK
    assert _builds(made) == before
    assert _rows(made, "past:") == len(before) - BUILDS_OF_CHUNK + 1
    assert rows - _rows(made, "build:") in (BUILDS_OF_CHUNK - 1, BUILDS_OF_CHUNK)
    assert made.ports.tables.find("images", str(BASE), f"build:{good.id}") is not None
    for identity in before:
        assert made.factory.queries.build(BuildId(identity)).id == identity
    assert scenes.rest_of(made, BASE) == "current"
    made.settle()
    assert (_builds(made), made.poisoned) == (before, [])


def test_a_version_that_retention_removed_needs_its_build_no_more() -> None:
    made = scenes.settled(ONE)
    (good,) = scenes.builds(made, BASE)
    assert good.version is not None
    archiver, head = _archiver(made), replace(scenes.head(made, BASE), current=None, active=None)
    assert not archiver._is_unneeded(good, head)
    claim = made.base.records.images.find_claim(BASE, good.fingerprint)
    assert claim is not None
    pruned = replace(claim.value, outcome=Outcome.PRUNED)
    made.base.records.images.commit([records.put_claim(pruned, etag=claim.etag)])
    assert not archiver._is_unneeded(good, head)
    record = VersionRecord(image=BASE, version=good.version, standing=Standing.PRUNED)
    made.base.records.images.commit([put_version(record, etag=None)])
    assert archiver._is_unneeded(good, head)
    assert not archiver._is_unneeded(good, scenes.head(made, BASE))


def test_a_replay_still_sends_what_has_moved() -> None:
    made = receiving.registered(receiving.hook(receiving.A))
    receiving.live(made, timedelta(hours=2))
    assert receiving.types(made, receiving.A) == ["image.published"]
    _tell(made)
    made.ports.clock.advance(YEAR)
    assert _archiver(made).archive() == LINES
    fact: Fact = receiving.items(made, receiving.A)[0].fact
    assert all(fact.entry not in str(row.cells.get("value")) for row in made.ports.tables.rows("images"))
    made.factory.receivers.replay(receiving.receiver(receiving.A), ADMIN, made.ports.clock.now() - 2 * YEAR)
    receiving.live(made, timedelta(hours=2))
    assert receiving.types(made, receiving.A) == ["image.published", "image.published"]


def test_after_lost_tables_the_moved_lines_are_shown_again() -> None:
    made = scenes.settled(ONE)
    _tell(made)
    made.ports.clock.advance(YEAR)
    whole = _journal(made)
    _archiver(made).archive()
    losses.lost_and_recovered(made)
    assert [key for key in _journal(made) if key in whole] == whole[-LINES:]
    assert scenes.rest_of(made, BASE) == "current"


@pytest.mark.parametrize("fatal", range(1, 12))
def test_a_kill_at_any_call_loses_and_doubles_no_line(fatal: int) -> None:
    made = scenes.settled(ONE)
    _tell(made)
    made.ports.clock.advance(YEAR)
    before = _journal(made)
    for after in (False, True):
        losses.counted(made, losses.Calls(fatal=fatal, after=after))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(archiving, "_EVERY", timedelta(0))
            with contextlib.suppress(losses.Died):
                _archiver(made).archive()
        scenes.rewired(made)
        assert _journal(made) == before
    made.ports.clock.advance(YEAR)
    _archiver(made).archive()
    assert _journal(made) == before
    assert _rows(made, "entry:") == len(before) - LINES + 1


def test_a_quiet_image_costs_its_share_and_the_next_round_waits_for_the_next_day() -> None:
    made = scenes.settled({f"image-{number}": None for number in range(20)})
    before = made.ports.tables.operations
    assert made.factory.archiver.archive() == 0
    assert made.ports.tables.operations - before <= 2 * 20 + 3
    before = made.ports.tables.operations
    assert made.factory.archiver.archive() == 0
    assert made.ports.tables.operations == before + 1


def test_a_slice_is_bounded_and_the_next_one_goes_on_with_the_same_image() -> None:
    made = scenes.settled({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    for image in (BASE, JAVA):
        _tell(made, image, 3 * LINES + 20)
    made.ports.clock.advance(YEAR)
    archiver = _archiver(made, replace(RULE, chunks=2))
    before = made.ports.tables.operations
    assert archiver.archive() == 2 * LINES
    assert made.ports.tables.operations - before <= 12
    moved = [archiver.archive() for _ in range(4)]
    assert sum(moved) == 4 * LINES
    assert moved[-1] == 0


def test_an_image_that_fails_holds_up_no_other() -> None:
    made = scenes.settled({"a-base": None, "b-base": None})
    names = [ImageName(name) for name in ("a-base", "b-base")]
    for image in names:
        _tell(made, image)
    made.ports.clock.advance(YEAR)
    error = TransientError(ErrorClass.NETWORK, "no answer")
    failed: list[str] = []

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if table == "images" and not failed:
            failed.append(writes[0].row.partition)
            raise error

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    assert _archiver(made).archive() == LINES
    assert scenes.logged(made, "archive-failed", subject="a-base")
