"""A channel that does not exist is refused; a definition that was accepted with one says what it follows."""

from dataclasses import replace

import pytest

from pipeline_core.domain.names import ChannelName
from pipeline_core.domain.sources import ParentReference
from pipeline_core.state import images as records
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, world
from simulation.world import ADMIN
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}


def test_a_channel_that_does_not_exist_is_refused() -> None:
    made = scenes.registered(ONE)
    document = fleet.document("rhel9-java", "rhel9-base")
    document["spec"]["parent"]["channel"] = "canary"
    with pytest.raises(InvalidDocument) as refused:
        made.factory.registrar.register(
            JAVA, document, world.upload(made, "content"), ADMIN, expected=None, create_only=True
        )
    (problem,) = refused.value.problems
    assert (problem.path, problem.message) == (
        "spec.parent.channel",
        "is 'canary', and this factory has no channel but live",
    )
    assert scenes.images(made).find_head(JAVA) is None


def test_a_definition_that_was_accepted_with_a_channel_says_what_it_follows() -> None:
    made = scenes.settled(TWO)
    found = scenes.images(made).get_head(JAVA)
    origin = ParentReference(image=BASE, channel=ChannelName("canary"))
    stored = replace(found.value, registration=replace(found.value.registration, origin=origin))
    scenes.images(made).commit([records.put_head(stored, etag=found.etag)])
    made.settle()
    shown = made.factory.queries.image(JAVA).image
    assert (shown.state, [each.type.value for each in shown.conditions]) == (
        "current",
        ["ChannelNotFollowed"],
    )
    assert "spec.parent.channel is canary" in shown.conditions[0].message
    made.register("rhel9-java", "rhel9-base")
    assert made.factory.queries.image(JAVA).image.conditions == ()
