"""Unregister: refused while anything depends on it; what comes back under the name goes on where it was."""

import pytest

from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import AlreadyExists, FactoryError, PermanentError, StaleWrite
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Principal
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, world
from simulation.world import ADMIN
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
APP = ImageName("app")


def test_an_unregistered_image_leaves_no_trace_in_lists_and_keeps_its_versions() -> None:
    made = scenes.settled(TWO)
    etag = str(scenes.head(made, JAVA).registration.definition)
    made.factory.registrar.unregister(JAVA, ADMIN, etag)
    assert scenes.images(made).find_head(JAVA) is None
    assert list(scenes.index(made).children(BASE)) == []
    assert [str(head.name) for head in scenes.index(made).fleet().heads] == ["rhel9-base"]
    assert made.ports.galleries.latest(world.LIVE, JAVA) is not None
    assert Event.UNREGISTERED in scenes.events(made, JAVA)
    made.settle()
    assert scenes.rest_of(made, JAVA) == "unregistered"


def test_an_image_with_children_is_not_unregistered() -> None:
    made = scenes.settled(TWO)
    etag = str(scenes.head(made, BASE).registration.definition)
    with pytest.raises(AlreadyExists, match="rhel9-java is built from rhel9-base"):
        made.factory.registrar.unregister(BASE, ADMIN, etag)
    assert scenes.images(made).find_head(BASE) is not None


def test_an_image_whose_build_runs_is_not_unregistered() -> None:
    made = scenes.registered(ONE)
    scenes.in_phase(made, BASE, Phase.BUILDING)
    etag = str(scenes.head(made, BASE).registration.definition)
    with pytest.raises(AlreadyExists, match="wait for its end"):
        made.factory.registrar.unregister(BASE, ADMIN, etag)
    assert scenes.images(made).find_head(BASE) is not None


@pytest.mark.parametrize(
    ("caller", "etag", "error"),
    [
        (scenes.principal("ml"), "", PermanentError),
        (scenes.principal("payments"), "stale", StaleWrite),
    ],
)
def test_unregistering_is_for_members_who_have_seen_the_document(
    caller: Principal, etag: str, error: type[FactoryError]
) -> None:
    made = scenes.registered(ONE)
    head = scenes.register_for(made, "app", "rhel9-base", "payments")
    with pytest.raises(error):
        made.factory.registrar.unregister(APP, caller, etag or str(head.registration.definition))
    assert scenes.head(made, APP) == head


def test_an_image_that_is_registered_again_takes_no_version_number_twice() -> None:
    made = scenes.settled(ONE)
    first = scenes.head(made, BASE).last_version
    made.factory.registrar.unregister(BASE, ADMIN, str(scenes.head(made, BASE).registration.definition))
    made.register("rhel9-base", None, text="edited")
    made.drain()
    current = scenes.head(made, BASE).current
    assert first is not None
    assert current is not None
    assert current.version > first


def test_a_major_that_goes_back_is_refused_for_an_image_that_is_registered_again() -> None:
    made = scenes.settled(ONE)
    made.factory.registrar.unregister(BASE, ADMIN, str(scenes.head(made, BASE).registration.definition))
    document = fleet.document("rhel9-base", None)
    document["spec"]["version"]["major"] = 8
    with pytest.raises(InvalidDocument) as refused:
        made.factory.registrar.register(
            BASE, document, world.upload(made, "content"), ADMIN, expected=None, create_only=True
        )
    assert [problem.path for problem in refused.value.problems] == ["spec.version.major"]
    assert scenes.images(made).find_head(BASE) is None
