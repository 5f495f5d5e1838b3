"""An ancestor that will not become current wakes each image below it once, level by level."""

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.growth import seeded
from benchmarks.growth.seeded import SeededFleet, name_of
from pipeline_core.domain.fingerprint import fingerprint
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.names import LIVE, CampaignId, ImageName
from pipeline_core.domain.sources import ParentReference, ParentVersion
from pipeline_core.wire.messages import ANCESTOR_ENDED, REBUILD_REQUESTS, RebuildMessage
from tests.unit.services import scenes


def _delivered(fleet: SeededFleet) -> Counter[str]:
    """How often each image was looked at, until no message asks for a look."""
    made, looks = fleet.world, Counter[str]()
    while (message := made.ports.queues.receive(REBUILD_REQUESTS)) is not None:
        made.ports.queues.delete(REBUILD_REQUESTS, message)
        request = RebuildMessage.from_wire(message.text)
        looks[request.image] += 1
        made.factory.reconciler.handle(request)
    return looks


def _wake(fleet: SeededFleet, image: ImageName) -> Counter[str]:
    fleet.world.base.effects.outbox.rebuild(image, ANCESTOR_ENDED, CampaignId("test"))
    return _delivered(fleet)


def _suspended(head: ImageHead) -> ImageHead:
    return seeded.stale(head, suspend=True)


@pytest.mark.parametrize("change", [lambda head: head, _suspended], ids=["current", "resting"])
def test_each_image_below_is_looked_at_once(change: object) -> None:
    fleet = seeded.current(seeded.levels(3, 3))
    fleet.change(lambda head: head if head.name == name_of(0) or not callable(change) else change(head))
    looks = _wake(fleet, name_of(1))
    assert looks == Counter({str(name_of(1)): 1, **{str(name_of(4 + n)): 1 for n in range(3)}, **_third()})


def _third() -> dict[str, int]:
    """The images on the third level below the first image of the first level."""
    return {str(name_of(13 + number)): 1 for number in range(9)}


def test_an_image_that_waited_behind_current_ones_begins() -> None:
    fleet = seeded.current([None, 0, 1, 2])
    fleet.change(lambda head: seeded.stale(head) if head.name == name_of(3) else head)
    looks = _wake(fleet, name_of(1))
    assert set(looks.values()) == {1}
    assert scenes.head(fleet.world, name_of(3)).active is not None


def test_an_image_that_begins_to_build_wakes_nobody_its_end_does() -> None:
    fleet = seeded.current([None, 0, 1, 2])
    fleet.change(lambda head: seeded.stale(head) if head.name == name_of(2) else head)
    assert _wake(fleet, name_of(1)) == Counter({str(name_of(1)): 1, str(name_of(2)): 1})


@pytest.mark.parametrize("height", [0, 1])
def test_a_cycle_passes_no_message_round_and_round(height: int) -> None:
    """Two edits at one moment may make one. Its images are current. A seeming leaf passes nothing on; others see it."""
    fleet = seeded.current([None, 0, 1])
    above = {name_of(1): name_of(2), name_of(2): name_of(1)}

    def twist(head: ImageHead) -> ImageHead:
        parent = above.get(head.name)
        if parent is None:
            return head
        assert head.current is not None
        origin = ParentReference(image=parent, channel=LIVE)
        inputs = replace(head.current.inputs, origin=ParentVersion(image=parent, version=seeded.BUILT))
        return replace(
            head,
            registration=replace(head.registration, origin=origin),
            current=replace(head.current, inputs=inputs, fingerprint=fingerprint(inputs)),
            height=height,
            chain_seconds=None,
        )

    fleet.change(twist)
    scenes.index(fleet.world).add_child(name_of(2), name_of(1))
    assert _wake(fleet, name_of(1)) == Counter({str(name_of(1)): 1})
