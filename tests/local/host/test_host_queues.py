"""The queue contract of the real host, on the real Azurite."""

import json
import time
from collections.abc import Callable
from typing import Any

StartHost = Callable[..., Any]


def test_a_message_runs_its_function_once_and_is_deleted(start_host: StartHost, queues: Any) -> None:
    host = start_host()
    queues.send(id="a")
    host.wait_for(lambda: queues.length() == 0)
    ends = host.records("work", step="end")
    assert [(end["id"], end["count"]) for end in ends] == [("a", 1)]
    (line,) = host.invocations("work")
    assert line["ok"] is True
    assert line["invocation_id"] == host.records("work", step="begin")[0]["invocation_id"]
    assert line["reason"] == f"queue {queues.name}"


def test_a_message_of_48_kib_arrives_whole(start_host: StartHost, queues: Any) -> None:
    host = start_host()
    empty = len(json.dumps({"id": "big", "fill": ""}))
    queues.send(id="big", fill="x" * (48 * 1024 - empty))
    host.wait_for(lambda: host.records("work", step="end"))
    assert host.records("work", step="end")[0]["size"] == 48 * 1024


def test_a_failing_message_is_tried_three_times_and_then_buried(start_host: StartHost, queues: Any) -> None:
    host = start_host()
    queues.send(id="bad", fail=True)
    host.wait_for(lambda: host.records("buried"))
    assert [begin["count"] for begin in host.records("work", step="begin")] == [1, 2, 3]
    assert json.loads(host.records("buried")[0]["text"]) == {"id": "bad", "fail": True}
    host.wait_for(lambda: queues.length() == 0 and queues.length("-poison") == 0)
    assert [line["ok"] for line in host.invocations("work")] == [False, False, False]
    assert "told to fail" in host.invocations("work")[0]["error"]


def test_the_last_failure_buries_a_message_at_once_and_not_after_the_visibility_timeout(
    start_host: StartHost, queues: Any
) -> None:
    # It is sent first and fails after 4 s. By then the listener of the poison queue looks only every 3 s.
    queues.send(id="bad", fail=True, seconds=4)
    host = start_host(
        AzureFunctionsJobHost__extensions__queues__visibilityTimeout="00:00:30",
        AzureFunctionsJobHost__extensions__queues__maxDequeueCount="1",
        AzureFunctionsJobHost__extensions__queues__maxPollingInterval="00:00:30",
    )
    host.wait_for(lambda: host.records("buried"), seconds=25)
    (begun,) = host.records("work", step="begin")
    assert host.records("buried")[0]["at"] - begun["at"] < 4.9  # the message woke the listener


def test_a_failed_message_stays_invisible_for_the_visibility_timeout(
    start_host: StartHost, queues: Any
) -> None:
    host = start_host(AzureFunctionsJobHost__extensions__queues__visibilityTimeout="00:00:02")
    queues.send(id="bad", fail=True)
    host.wait_for(lambda: len(host.records("work", step="begin")) == 2)
    first, second = (begin["at"] for begin in host.records("work", step="begin"))
    assert second - first > 1.5


def test_a_message_that_is_not_base64_is_buried_unread_and_as_it_stands(
    start_host: StartHost, queues: Any
) -> None:
    host = start_host()
    queues.plain().send_message("{no base64}")
    host.wait_for(lambda: queues.length() == 0)
    assert host.records("work") == []
    # The listener of the poison queue cannot read it either, as on the real host. So it stays there.
    assert queues.length("-poison") == 1
    assert host.records("buried") == []


def test_a_long_run_keeps_its_message_invisible_and_ends_it_with_the_last_receipt(
    start_host: StartHost, queues: Any
) -> None:
    host = start_host(lease=2)
    queues.send(id="long", seconds=5)
    host.wait_for(lambda: queues.length() == 0)
    assert [begin["count"] for begin in host.records("work", step="begin")] == [1]


def test_a_message_under_way_comes_back_when_the_host_is_killed(start_host: StartHost, queues: Any) -> None:
    host = start_host(lease=2)
    queues.send(id="kept", seconds=3)
    host.wait_for(lambda: host.records("work", step="begin"))
    host.running.kill()
    assert queues.length() == 1
    again = start_host(lease=2)
    again.wait_for(lambda: queues.length() == 0)
    assert [end["count"] for end in again.records("work", step="end")] == [2]


def test_a_message_that_killed_the_host_each_time_is_buried_without_another_run(
    start_host: StartHost, queues: Any
) -> None:
    queues.send(id="deadly")
    for _ in range(3):  # received and never deleted, as by a host that dies each time
        queues.plain().receive_message(visibility_timeout=1)
        _wait_until_visible(queues)
    host = start_host()
    host.wait_for(lambda: host.records("buried"))
    # The host deletes the message after it has sent the copy, and the copy may run before that.
    host.wait_for(lambda: queues.length() == 0)
    assert host.records("work") == []


def test_a_stop_lets_the_running_message_end(start_host: StartHost, queues: Any) -> None:
    host = start_host(grace=10)
    queues.send(id="a", seconds=1.5)
    host.wait_for(lambda: host.records("work", step="begin"))
    assert host.running.stop(grace=10) == 0
    assert host.records("work", step="end")
    assert queues.length() == 0


def test_a_stop_gives_up_on_a_function_that_does_not_end_and_its_message_stays(
    start_host: StartHost, queues: Any
) -> None:
    host = start_host(grace=0.3)
    queues.send(id="a", seconds=30)
    host.wait_for(lambda: host.records("work", step="begin"))
    assert host.running.stop(grace=10) == 0
    assert queues.length() == 1


def test_at_most_batch_size_and_threshold_run_at_once(start_host: StartHost, queues: Any) -> None:
    for number in range(14):
        queues.send(id=number, seconds=0.3)
    host = start_host(PYTHON_THREADPOOL_THREAD_COUNT="20")
    host.wait_for(lambda: len(host.records("work", step="end")) == 14)
    together = most = 0
    for record in sorted(host.records("work"), key=lambda found: found["at"]):
        together += 1 if record["step"] == "begin" else -1
        most = max(most, together)
    assert 4 <= most <= 6  # batchSize 4 and newBatchThreshold 2 in the sample's host.json
    assert sorted(end["id"] for end in host.records("work", step="end")) == list(range(14))


def test_a_queue_that_does_not_exist_yet_is_waited_for(start_host: StartHost, queues: Any) -> None:
    queues.plain().delete_queue()
    host = start_host()
    host.wait_for(lambda: "does not exist yet" in host.running.log.read_text("utf-8"))
    queues.plain().create_queue()
    queues.send(id="late")
    host.wait_for(lambda: host.records("work", step="end", id="late"))


def _wait_until_visible(queues: Any) -> None:
    deadline = time.monotonic() + 10
    while not queues.plain().peek_messages():
        assert time.monotonic() < deadline
        time.sleep(0.05)
