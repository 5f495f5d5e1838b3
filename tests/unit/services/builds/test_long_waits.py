"""A build that waits for days has few messages, although one in ten is delivered twice."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain import retry
from pipeline_core.domain.builds import Phase, Result
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.settings import Settings
from pipeline_core.wiring import upkeep
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE

ONE = {"rhel9-base": None}
DAYS = timedelta(days=5)
MOST = 3_000  # step messages of five days: a look every ten minutes is 720, and the first hours double some


@dataclass(slots=True)
class Doubling:
    """Queues that give every tenth step message out twice, and fail where there are too many."""

    inner: Any
    sent: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def send(self, queue: str, text: str, **named: Any) -> None:
        self.inner.send(queue, text, **named)
        if queue == "build-steps":
            self.sent += 1
            if self.sent > MOST:
                raise AssertionError("the messages of one build grow without a bound")
            if self.sent % 10 == 0:
                self.inner.send(queue, text, **named)


@dataclass(slots=True)
class Refusing:
    """A port of which one call is refused until there is room."""

    inner: Any
    name: str
    error: TransientError
    has_room: bool = False

    def __getattr__(self, name: str) -> Any:
        if name == self.name and not self.has_room:
            raise self.error
        return getattr(self.inner, name)


@pytest.mark.parametrize(
    ("port", "call", "error_class"),
    [
        ("galleries", "ensure_image", ErrorClass.QUOTA),
        ("containers", "create_group", ErrorClass.QUOTA),
        ("containers", "create_group", ErrorClass.CAPACITY),
    ],
    ids=["full quarantine", "quota of groups", "no capacity"],
)
def test_a_wait_of_days_has_a_bounded_number_of_messages(
    port: str, call: str, error_class: ErrorClass
) -> None:
    made = scenes.registered(ONE)
    refusing = Refusing(
        inner=getattr(made.ports, port), name=call, error=TransientError(error_class, "409 none")
    )
    queues = Doubling(inner=made.ports.queues)
    scenes.rewired(made, queues=queues, **{port: refusing})
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    made.run_until(made.ports.clock.now() + DAYS)
    assert scenes.stored(made, build.id).value.seq == build.seq
    assert len(scenes.texts(made, "build-steps")) <= 1
    refusing.has_room = True
    made.run_until(made.ports.clock.now() + timedelta(hours=3))
    assert [ended.result for ended in scenes.builds(made, BASE)] == [Result.SUCCEEDED]


def test_sweeps_look_at_a_build_before_its_own_messages_end() -> None:
    waits = Settings.model_fields["wait_seconds"].metadata
    longest = max(each.le for each in waits if hasattr(each, "le"))
    assert timedelta(seconds=longest) * upkeep._QUIET < retry.SWEPT


def test_a_look_of_a_sweep_counts_where_no_message_is_left() -> None:
    """Hours without quota, and then the network fails. One image opens no breaker, and its failure is counted."""
    made = scenes.registered(ONE)
    refusing = Refusing(
        inner=made.ports.containers, name="create_group", error=TransientError(ErrorClass.QUOTA, "409 none")
    )
    scenes.rewired(made, containers=refusing)
    build = scenes.in_phase(made, BASE, Phase.BUILDING)
    made.run_until(made.ports.clock.now() + timedelta(hours=4))
    assert scenes.texts(made, "build-steps") == []
    refusing.error = TransientError(ErrorClass.NETWORK, "no route")
    made.run_until(made.ports.clock.now() + timedelta(hours=1))
    (breaker,) = made.base.records.breakers.list()
    assert (breaker.value.error_class, [hit.image for hit in breaker.value.hits]) == (
        ErrorClass.NETWORK,
        [BASE],
    )
    refusing.has_room = True
    made.run_until(made.ports.clock.now() + timedelta(hours=3))
    assert scenes.stored(made, build.id).value.result is Result.SUCCEEDED
