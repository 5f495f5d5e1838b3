"""The recovery log tells what is in force, and nothing that was refused or lost its race."""

from datetime import timedelta

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import AlreadyExists, ErrorClass, StaleWrite, TransientError
from pipeline_core.ports import Row
from pipeline_core.services.effects.recovery_log import RecoveryLog
from pipeline_core.state.unlogged import UnloggedStore
from simulation import fleet, world
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import losses, scenes, unreadable_rows
from tests.unit.services.scenes import BASE, JAVA

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
DEAD = TransientError(ErrorClass.NETWORK, "the host died")


def _recovery_log(made: SimulatedWorld) -> RecoveryLog:
    return made.base.effects.recovery_log


def _noted(made: SimulatedWorld) -> list[str]:
    return [subject for subject, _ in UnloggedStore(made.ports.tables).list()]


def test_the_newest_entry_is_what_is_in_force() -> None:
    made = scenes.settled(TWO)
    for text in ("one", "two", "three"):
        made.register("rhel9-java", "rhel9-base", text=text)
    made.settle()
    head, entry = scenes.head(made, JAVA), _recovery_log(made).find_image(JAVA)
    assert entry is not None
    assert head.current is not None
    assert entry.definition == str(head.registration.definition)
    assert entry.current is not None
    assert entry.current.version == str(head.current.version)
    assert (entry.revision, head.revision) == (4, 4)
    assert list(_recovery_log(made).images()) == [BASE, JAVA]
    assert _noted(made) == []


def test_an_entry_is_written_once_per_registration_and_publication() -> None:
    made = scenes.settled(ONE)
    names = [facts.name for facts in made.ports.blobs.list("definitions", "chronicle/images/")]
    assert len(names) == 2
    made.settle()
    assert [facts.name for facts in made.ports.blobs.list("definitions", "chronicle/images/")] == names


def test_a_deletion_is_logged_and_so_is_a_return() -> None:
    made = scenes.settled(TWO)
    made.factory.registrar.unregister(JAVA, ADMIN, str(scenes.head(made, JAVA).registration.definition))
    entry = _recovery_log(made).find_image(JAVA)
    assert entry is not None
    assert (entry.deleted, entry.revision) == (True, 2)
    made.register("rhel9-java", "rhel9-base", text="again")
    entry = _recovery_log(made).find_image(JAVA)
    assert entry is not None
    assert (entry.deleted, entry.revision) == (False, 3)
    assert scenes.images(made).find_former(JAVA) is None


def test_a_registration_that_lost_its_race_is_not_logged() -> None:
    made = scenes.settled(ONE)
    etag = str(scenes.head(made, BASE).registration.definition)

    def overtake(table: str, writes: object) -> None:
        if table == "images":
            first()

    first = scenes.once(lambda: made.register("rhel9-base", None, text="first"))
    plain = made.factory
    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=overtake))
    slow, made.factory = made.factory, plain
    document, bundle = fleet.document("rhel9-base", None), world.upload(made, "second")
    with pytest.raises(StaleWrite):
        slow.registrar.register(BASE, document, bundle, ADMIN, expected=etag, create_only=False)
    entry = _recovery_log(made).find_image(BASE)
    assert entry is not None
    assert entry.definition == str(scenes.head(made, BASE).registration.definition)
    assert entry.revision == 2


def test_a_deletion_that_was_refused_is_not_logged() -> None:
    made = scenes.settled(TWO)
    with pytest.raises(AlreadyExists):
        made.factory.registrar.unregister(BASE, ADMIN, str(scenes.head(made, BASE).registration.definition))
    entry = _recovery_log(made).find_image(BASE)
    assert entry is not None
    assert not entry.deleted


@pytest.mark.parametrize("change", ["registration", "deletion", "platform"])
def test_a_process_that_dies_before_the_entry_leaves_a_note_and_it_is_repaired(change: str) -> None:
    made = scenes.settled(TWO)
    errors: list[Exception] = [DEAD]
    scenes.rewired(made, blobs=_Mute(made, errors))
    with pytest.raises(TransientError):
        _change(made, change)
    scenes.rewired(made)
    assert _noted(made) == ["*platform" if change == "platform" else "rhel9-java"]
    assert _recovery_log(made).repair() == 0  # the process that made the note may still be at work
    told = _told(made)
    made.ports.clock.advance(scenes.WAIT * 20)
    assert _recovery_log(made).repair() == 1
    assert _told(made) != told
    assert _noted(made) == []
    before = (losses.heads(made), scenes.sources(made).find_platform())
    losses.lose_tables(made)
    losses.recover(made)
    assert {name: head.registration for name, head in losses.heads(made).items()} == {
        name: head.registration for name, head in before[0].items()
    }
    assert scenes.sources(made).find_platform() == before[1]


def test_a_note_of_a_change_that_was_given_up_is_forgotten() -> None:
    made = scenes.settled(ONE)
    _recovery_log(made).announce(JAVA)
    made.ports.clock.advance(scenes.WAIT * 20)
    assert _recovery_log(made).repair() == 1
    assert _noted(made) == []
    assert _recovery_log(made).find_image(JAVA) is None


@pytest.mark.parametrize(
    ("key", "cells"),
    [
        pytest.param("another", {}, id="no time"),
        pytest.param("another", {"at": "today"}, id="not a time"),
        pytest.param("another", {"at": "2026-07-01T00:00:00"}, id="no zone"),
        pytest.param("Not A Name", {"at": "2026-07-01T00:00:00+00:00"}, id="bad name"),
    ],
)
def test_a_note_that_cannot_be_read_is_recorded_and_keeps_no_other_from_its_repair(
    key: str, cells: dict[str, str]
) -> None:
    made = scenes.settled(ONE)
    unreadable_rows.put(made, "index", Row(partition="unchronicled", key=key, cells=cells))
    made.base.records.unlogged.add(str(BASE), made.ports.clock.now())
    made.ports.clock.advance(timedelta(hours=1))
    made.factory.sweeper.sweep()
    assert _noted(made) == []
    records = made.base.records.unreadable.page(limit=10).records
    assert [(each.partition, each.key) for each in records] == [("unchronicled", key)]
    assert made.ports.tables.find("index", "unchronicled", key) is not None


def test_log_lines_about_the_recovery_log_keep_the_names_that_queries_know() -> None:
    made = scenes.settled(ONE)
    _recovery_log(made).announce(JAVA)
    made.ports.clock.advance(scenes.WAIT * 20)
    dead = scenes.Failing(inner=made.ports.tables, name="write", errors=[DEAD])
    scenes.rewired(made, tables=dead)
    with pytest.raises(TransientError):
        made.factory.sweeper.sweep()
    assert scenes.logged(made, "sweep-failed-at", subject="chronicle")
    scenes.rewired(made)
    made.factory.sweeper.sweep()
    assert scenes.logged(made, "chronicle-mended", subject="rhel9-java")


def test_a_publication_is_logged_before_its_build_is_over() -> None:
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, Phase.PUBLISHING)
    entry = _recovery_log(made).find_image(BASE)
    assert entry is not None
    assert entry.current is None
    scenes.until(made, lambda: scenes.head(made, BASE).active is None)
    entry = _recovery_log(made).find_image(BASE)
    assert entry is not None
    assert entry.current is not None


class _Mute:
    """Blobs that fail once at an entry of the recovery log."""

    def __init__(self, made: SimulatedWorld, errors: list[Exception]) -> None:
        self._inner = made.ports.blobs
        self._errors = errors

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        if name.startswith(("chronicle/images/", "chronicle/platform/")) and self._errors:
            raise self._errors.pop()
        self._inner.create(container, name, content, media_type=media_type)


def _told(made: SimulatedWorld) -> list[str]:
    return [facts.name for facts in made.ports.blobs.list("definitions", "chronicle/")]


def _change(made: SimulatedWorld, what: str) -> None:
    match what:
        case "registration":
            made.register("rhel9-java", "rhel9-base", suspend=True)
        case "deletion":
            etag = str(scenes.head(made, JAVA).registration.definition)
            made.factory.registrar.unregister(JAVA, ADMIN, etag)
        case _:
            scenes.set_platform(made, "new steps")
