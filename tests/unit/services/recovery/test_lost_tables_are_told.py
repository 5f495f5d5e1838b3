"""Lost records never look like an empty factory: everybody is told, and what SecOps has to do."""

from collections.abc import Callable

import pytest

from pipeline_core.domain.errors import NotFound, TablesLost
from pipeline_core.domain.names import ImageName
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services.scenes import BASE

ASKED: dict[str, Callable[[SimulatedWorld], object]] = {
    "list": lambda made: made.factory.queries.images(),
    "show": lambda made: made.factory.queries.image(BASE),
    "rebuild": lambda made: made.factory.requests.request(BASE, ADMIN, "again", None),
    "health": lambda made: made.factory.queries.check(),
}


@pytest.mark.parametrize("asked", ASKED)
def test_lost_rows_are_said_to_be_lost(asked: str) -> None:
    made = scenes.settled({"rhel9-base": None})
    losses.lose_tables(made)
    with pytest.raises(TablesLost, match="imagefactory state recover --force"):
        ASKED[asked](made)
    losses.recover(made)
    ASKED[asked](made)


@pytest.mark.parametrize("asked", ASKED)
def test_missing_tables_are_said_to_be_lost(asked: str) -> None:
    made = scenes.settled({"rhel9-base": None})
    made.ports.tables.lost |= {"images", "index"}
    with pytest.raises(TablesLost, match="the factory's tables are lost"):
        ASKED[asked](made)


def test_a_new_factory_has_lost_nothing() -> None:
    made = scenes.registered({})
    losses.lose_tables(made)
    for blob in list(made.ports.blobs.list("provenance", "")):
        assert not blob.name.startswith("images/")
    assert made.factory.queries.images().images == ()
    assert made.factory.queries.check()


def test_an_image_that_was_never_registered_or_was_deleted_is_not_lost() -> None:
    made = scenes.settled({"rhel9-base": None})
    made.factory.registrar.unregister(BASE, ADMIN, scenes.head(made, BASE).document_etag)
    for name in (BASE, ImageName("never-there")):
        with pytest.raises(NotFound, match="not registered"):
            made.factory.queries.image(name)
    assert made.factory.queries.images().images == ()
