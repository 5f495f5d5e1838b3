"""The twins keep things in order instead of sorting them: what comes out is what sorting would give."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as some

from pipeline_core.adapters.memory.clock import ManualClock
from pipeline_core.adapters.memory.containers import MemoryContainers
from pipeline_core.adapters.memory.queues import MemoryQueues, QueuedMessage
from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.ports import NewContainerGroup, Row, TableWrite, WriteKind

KEYS = some.text("abc:", min_size=1, max_size=3)


@given(changes=some.lists(some.tuples(KEYS, some.booleans())), first=KEYS, last=KEYS)
def test_a_scan_gives_what_is_there_by_key(changes: list[tuple[str, bool]], first: str, last: str) -> None:
    tables, there = MemoryTables(), set()
    for key, wanted in changes:
        row = tables.find("t", "p", key)
        if wanted and row is None:
            tables.write("t", [TableWrite(verb=WriteKind.INSERT, row=Row(partition="p", key=key, cells={}))])
            there.add(key)
        elif not wanted and row is not None:
            tables.write("t", [TableWrite(verb=WriteKind.DELETE, row=row)])
            there.remove(key)
    found = [row.key for row in tables.scan("t", "p", first=first, last=last)]
    assert found == sorted(key for key in there if first <= key < last)
    assert [row.key for row in tables.scan("t", "p", first=first, limit=2)] == sorted(
        key for key in there if key >= first
    )[:2]
    assert [row.key for row in tables.rows("t")] == sorted(there)


@given(
    steps=some.lists(
        some.sampled_from(["send", "later", "receive", "delete", "release", "wait"]), min_size=20
    )
)
def test_a_queue_gives_what_has_been_visible_for_longest(steps: list[str]) -> None:
    clock = ManualClock()
    queues, held = MemoryQueues(clock), list[QueuedMessage]()
    for number, step in enumerate(steps):
        match step:
            case "send":
                queues.send("q", str(number))
            case "later":
                queues.send("q", str(number), delay=timedelta(seconds=7 * (number % 5)))
            case "wait":
                clock.advance(timedelta(seconds=11))
            case "delete" if held:
                queues.delete("q", held.pop(0))
            case "release" if held:
                queues.release("q", held.pop(), delay=timedelta(seconds=number % 3))
            case "receive":
                waiting = queues.messages("q")
                wanted = waiting[0].id if waiting and waiting[0].visible_at <= clock.now() else None
                taken = queues.receive("q", visibility=timedelta(hours=1))
                assert (None if taken is None else taken.id) == wanted
                held += [] if taken is None else [taken]
        left = queues.messages("q")
        assert queues.first_visible("q") == queues.next_visible() == (left[0].visible_at if left else None)


def test_groups_are_named_in_order_until_their_deletion_is_over() -> None:
    clock = ManualClock()
    containers = MemoryContainers(clock=clock, deletion=timedelta(seconds=10))
    for name in ("b", "c", "a"):
        containers.create_group(NewContainerGroup(name=name, environment={}, tags={}))
    containers.delete_group("b")
    assert containers.names() == ["a", "b", "c"]
    clock.advance(timedelta(seconds=10))
    assert containers.names() == ["a", "c"]
    containers.create_group(NewContainerGroup(name="b", environment={}, tags={}))
    assert containers.names() == ["a", "b", "c"]
