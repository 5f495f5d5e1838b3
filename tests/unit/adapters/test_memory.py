"""What the twins offer beyond their ports, to tests and the simulation."""

import traceback
from datetime import UTC, datetime, timedelta

import pytest

from pipeline_core.adapters.memory.blobs import MemoryBlobs
from pipeline_core.adapters.memory.chance import SeededChance
from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.containers import MemoryContainers
from pipeline_core.adapters.memory.galleries import MemoryGalleries
from pipeline_core.adapters.memory.ports import twins
from pipeline_core.adapters.memory.queues import MemoryQueues
from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.adapters.memory.web import MemoryWeb
from pipeline_core.adapters.system import SystemChance, SystemClock
from pipeline_core.domain.definitions import OsTraits, TargetRegion
from pipeline_core.domain.errors import ErrorClass, NotFound, TransientError
from pipeline_core.domain.names import GalleryName, ImageName, Region
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import (
    Chance,
    GalleryImageVersion,
    GroupState,
    NewContainerGroup,
    NewGalleryVersion,
    Row,
    TableWrite,
    VersionState,
    WriteKind,
)

QUARANTINE, LIVE = GalleryName("quarantine"), GalleryName("live")
IMAGE, VERSION = ImageName("payments-api"), GalleryVersion(1, 20261121, 1)


def test_a_message_that_is_not_deleted_comes_again_and_is_counted() -> None:
    clock = ManualClock()
    queues = MemoryQueues(clock)
    queues.send("q", "x")
    first = queues.receive("q", visibility=timedelta(seconds=30))
    assert first is not None
    assert queues.receive("q") is None
    clock.advance(timedelta(seconds=30))
    second = queues.receive("q")
    assert second is not None
    assert (first.dequeue_count, second.dequeue_count) == (1, 2)
    with pytest.raises(NotFound):
        queues.delete("q", first)  # its receipt is void: somebody else has the message now
    queues.delete("q", second)
    clock.advance(timedelta(days=1))
    assert queues.receive("q") is None


def test_messages_come_by_the_time_at_which_they_are_visible() -> None:
    clock = ManualClock()
    queues = MemoryQueues(clock)
    queues.send("q", "late", delay=timedelta(seconds=9))
    queues.send("q", "first")
    queues.send("other", "soon", delay=timedelta(seconds=3))
    assert queues.next_visible() == clock.now()
    assert queues.names() == ["other", "q"]
    assert [message.text for message in queues.messages("q")] == ["first", "late"]


def test_a_released_message_comes_after_its_delay() -> None:
    clock = ManualClock()
    queues = MemoryQueues(clock)
    queues.send("q", "x")
    message = queues.receive("q")
    assert message is not None
    queues.release("q", message, delay=timedelta(seconds=5))
    assert queues.receive("q") is None
    clock.advance(timedelta(seconds=5))
    again = queues.receive("q")
    assert again is not None
    assert again.dequeue_count == 2


def test_what_was_written_cannot_be_changed_by_its_writer() -> None:
    tables = MemoryTables()
    cells = {"n": 1}
    tables.write("t", [TableWrite(verb=WriteKind.INSERT, row=Row(partition="p", key="k", cells=cells))])
    cells["n"] = 2
    (row,) = tables.rows("t")
    assert dict(row.cells) == {"n": 1}
    with pytest.raises(TypeError):
        row.cells["n"] = 3  # type: ignore[index]  # that it cannot be done is the point


def test_a_transaction_is_counted_once() -> None:
    tables = MemoryTables()
    rows = [Row(partition="p", key=f"k{number}", cells={}) for number in range(50)]
    tables.write("t", [TableWrite(verb=WriteKind.INSERT, row=row) for row in rows])
    tables.scan("t", "p")
    assert tables.operations == 2


def test_a_failing_copy_says_why_and_is_out_of_latest() -> None:
    clock = ManualClock()
    galleries = MemoryGalleries(
        clock=clock, names=[QUARANTINE, LIVE], replication=timedelta(minutes=1), fails_with="no room"
    )
    galleries.add_version(
        GalleryImageVersion(
            gallery=QUARANTINE,
            image=IMAGE,
            version=VERSION,
            state=VersionState.READY,
            excluded_from_latest=True,
        )
    )
    galleries.ensure_image(LIVE, IMAGE, OsTraits())
    new = NewGalleryVersion(
        gallery=LIVE,
        source_gallery=QUARANTINE,
        image=IMAGE,
        version=VERSION,
        regions=(TargetRegion(name=Region("westeurope")),),
        tags={},
    )
    galleries.begin_copy(new)
    clock.advance(timedelta(minutes=1))
    found = galleries.find_version(LIVE, IMAGE, VERSION)
    assert found is not None
    assert (found.state, found.detail) == (VersionState.FAILED, "no room")
    galleries.begin_delete(LIVE, IMAGE, VERSION)
    galleries.fails_with = ""
    galleries.begin_copy(new)
    clock.advance(timedelta(minutes=1))
    assert galleries.latest(LIVE, IMAGE) is None
    galleries.set_excluded(LIVE, IMAGE, VERSION, excluded=False)
    assert galleries.latest(LIVE, IMAGE) == VERSION


def test_a_group_stays_while_it_is_being_deleted() -> None:
    clock = ManualClock()
    containers = MemoryContainers(clock=clock, deletion=timedelta(seconds=20))
    containers.create_group(NewContainerGroup(name="g", environment={}, tags={}))
    containers.set_state("g", GroupState.RUNNING)
    containers.delete_group("g")
    clock.advance(timedelta(seconds=10))
    containers.delete_group("g")  # again does not begin anew
    assert containers.find_group("g") is not None
    clock.advance(timedelta(seconds=10))
    assert containers.find_group("g") is None


def test_all_twins_share_one_clock() -> None:
    world = twins([QUARANTINE, LIVE])
    world.queues.send("q", "x", delay=timedelta(minutes=1))
    world.clock.advance(timedelta(minutes=1))
    assert world.queues.receive("q") is not None
    world.blobs.append("builds", "log.txt", b"a")
    world.clock.advance(timedelta(minutes=1))
    world.blobs.append("builds", "log.txt", b"b")
    facts = world.blobs.find_facts("builds", "log.txt")
    assert facts is not None
    assert (facts.size, facts.changed_at) == (2, world.clock.now())


def test_the_same_seed_gives_the_same_chances() -> None:
    first, second, other = SeededChance(7), SeededChance(7), SeededChance(8)
    assert [first.fraction() for _ in range(5)] == [second.fraction() for _ in range(5)]
    assert first.nonce() == second.nonce() != other.nonce()


@pytest.mark.parametrize("chance", [SeededChance(), SystemChance()], ids=["seeded", "system"])
def test_chances_have_the_form_that_is_promised(chance: Chance) -> None:
    assert all(0 <= chance.fraction() < 1 for _ in range(100))
    nonces = {chance.nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert all(len(nonce) == 16 and int(nonce, 16) >= 0 for nonce in nonces)


def test_the_machines_clock_is_in_utc() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_blob_that_is_lost_is_in_no_list_and_can_be_made_again() -> None:
    blobs = MemoryBlobs(SystemClock())
    for name in ("b/2", "a/1", "b/1", "c"):
        blobs.create("box", name, name.encode(), media_type="text/plain")
    blobs.append("box", "b/1", b"more")
    blobs.lose("box", "b/2")
    assert [facts.name for facts in blobs.list("box", "b/")] == ["b/1"]
    assert blobs.find_facts("box", "b/2") is None
    blobs.create("box", "b/2", b"", media_type="text/plain")
    assert [facts.name for facts in blobs.list("box", "b/")] == ["b/1", "b/2"]
    assert [facts.name for facts in blobs.list("box", "", limit=2)] == ["a/1", "b/1"]


def test_an_error_that_is_raised_again_keeps_no_frame_of_the_call_before() -> None:
    # One error object answers thousands of calls of a simulation, and each frame would keep a whole world.
    web, error = MemoryWeb(), TransientError(ErrorClass.NETWORK, "no answer")
    web.answers["https://receiver.example.com/"] = error
    depths = []
    for _ in range(2):
        with pytest.raises(TransientError):
            web.get("https://receiver.example.com/", limit=10)
        depths.append(len(traceback.extract_tb(error.__traceback__)))
    assert depths[0] == depths[1]
