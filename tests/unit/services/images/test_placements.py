"""A second live and a second quarantine gallery are filled when the first near their limit, and then always used."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import placement
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.definitions import OsTraits
from pipeline_core.domain.errors import PermanentError
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.ports import TableWrite, WriteKind
from pipeline_core.wire.job import JOB_LIMIT, BuildJob, GalleryImage
from pipeline_core.wiring.foundation import foundation_of
from simulation.world import ADMIN, LIVE, QUARANTINE, SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services.scenes import BASE, JAVA, PYTHON

LIVE2, QUARANTINE2 = GalleryName("live2"), GalleryName("quarantine2")
HOME, OTHER = "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-00000000000f"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscription holds four image definitions: two images, each in quarantine and live."""
    monkeypatch.setattr(placement, "DEFINITIONS", 4)
    monkeypatch.setattr(placement, "HEAD_ROOM", 0)


def _two_places(made: SimulatedWorld) -> SimulatedWorld:
    """The same factory with a second pair of galleries, in another subscription."""
    made.ports.galleries.names = [QUARANTINE, LIVE, QUARANTINE2, LIVE2]
    deployment = replace(
        scenes.deployment_of(made),
        live=(LIVE, LIVE2),
        more_quarantines=(QUARANTINE2,),
        elsewhere={
            LIVE: (HOME, "rg-galleries"),
            QUARANTINE: (HOME, "rg-galleries"),
            LIVE2: (OTHER, "rg-more"),
            QUARANTINE2: (OTHER, "rg-more"),
        },
    )
    made.rewire(foundation_of(made.ports, deployment, scenes.LIMITS))
    return made


def _galleries(made: SimulatedWorld, image: ImageName) -> tuple[GalleryName, GalleryName | None]:
    registration = scenes.head(made, image).registration
    return registration.gallery, registration.quarantine


def test_a_registration_records_both_galleries() -> None:
    made = scenes.registered({"rhel9-base": None})
    assert _galleries(made, BASE) == (LIVE, QUARANTINE)


@pytest.mark.usefixtures("small")
def test_the_third_image_goes_to_the_second_galleries_and_is_built_there() -> None:
    made = _two_places(scenes.registered({}))
    for name, parent in (("rhel9-base", None), ("rhel9-java", "rhel9-base"), ("rhel9-python", "rhel9-base")):
        made.register(name, parent)
    assert [_galleries(made, name) for name in (BASE, JAVA, PYTHON)] == [
        (LIVE, QUARANTINE),
        (LIVE, QUARANTINE),
        (LIVE2, QUARANTINE2),
    ]
    made.drain()
    listed = made.ports.galleries.list_versions
    assert [len(listed(at, PYTHON)) for at in (LIVE, QUARANTINE, LIVE2, QUARANTINE2)] == [0, 0, 1, 1]
    current = scenes.head(made, PYTHON).current
    assert current is not None
    assert made.ports.galleries.latest(LIVE2, PYTHON) == current.version
    proof = made.factory.proofs.show(PYTHON, current.version)
    assert f"/subscriptions/{OTHER}/resourceGroups/rg-more/" in str(proof)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("is_older", [False, True])
def test_a_childs_machine_boots_from_the_gallery_of_its_parent(is_older: bool) -> None:
    """The build's own row names the gallery. A build of an older release reads its parent's head for it."""
    made = _two_places(scenes.registered({}))
    for name, parent in (("rhel9-base", None), ("rhel9-java", "rhel9-base"), ("rhel9-go", "rhel9-java")):
        made.register(name, parent)
    made.drain()
    (go,) = scenes.builds(made, ImageName("rhel9-go"))
    assert go.parent is not None
    assert (go.gallery, go.parent.gallery) == (LIVE2, LIVE)
    again = replace(go, phase=Phase.BUILDING, parent=None if is_older else go.parent)
    before = made.ports.tables.operations
    new = made.parts.builds.containers.launcher.prepare(again, "again", made.ports.clock.now())
    assert made.ports.tables.operations - before == is_older
    digest = new.environment["IF_JOB"]
    job = BuildJob.from_wire(made.ports.blobs.read("jobs", f"{digest}.json", limit=JOB_LIMIT), digest=digest)
    assert isinstance(job.source, GalleryImage)
    assert (job.source.gallery, job.source.image) == ("live", "rhel9-java")


@pytest.mark.usefixtures("small")
def test_no_room_is_a_refusal_that_says_what_to_do_and_registers_nothing() -> None:
    made = scenes.registered({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    with pytest.raises(PermanentError, match=r"no gallery has room for rhel9-python.*SecOps adds a gallery"):
        made.register("rhel9-python", "rhel9-base")
    assert scenes.images(made).find_head(PYTHON) is None


@pytest.mark.usefixtures("small")
def test_an_image_that_was_unregistered_comes_back_to_its_galleries() -> None:
    made = _two_places(scenes.registered({}))
    made.register("rhel9-base", None)
    made.drain()
    head = scenes.images(made).get_head(BASE)
    made.factory.registrar.unregister(BASE, ADMIN, head.value.document_etag)
    for name in ("a-base", "b-base"):
        made.register(name, None)
    made.register("rhel9-base", None)
    assert _galleries(made, BASE) == (LIVE, QUARANTINE)
    assert _galleries(made, ImageName("b-base")) == (LIVE2, QUARANTINE2)


@pytest.mark.usefixtures("small")
def test_a_fleet_of_an_older_release_is_counted_once() -> None:
    """Its heads name no quarantine gallery, and no row says where they are placed."""
    made = scenes.registered({"rhel9-base": None, "rhel9-java": "rhel9-base"})
    tables = made.ports.tables
    for gallery in ("live", "quarantine"):
        for row in list(tables.scan("index", f"placed:{gallery}")):
            tables.write("index", [TableWrite(verb=WriteKind.DELETE, row=row)])
    for row in list(tables.scan("index", "placements")):
        tables.write("index", [TableWrite(verb=WriteKind.DELETE, row=row)])
    _two_places(made)
    made.register("rhel9-python", "rhel9-base")
    assert _galleries(made, PYTHON) == (LIVE2, QUARANTINE2)
    assert made.base.records.placements.is_counted(LIVE)


def test_a_definition_that_somebody_else_made_takes_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "DEFINITIONS", 3)
    monkeypatch.setattr(placement, "HEAD_ROOM", 0)
    made = scenes.registered({})
    made.ports.galleries.ensure_image(LIVE, ImageName("a-strangers"), OsTraits())
    made.ports.galleries.ensure_image(LIVE, ImageName("b-strangers"), OsTraits())
    _two_places(made)
    made.register("rhel9-base", None)
    assert _galleries(made, BASE) == (LIVE, QUARANTINE2)


@pytest.mark.usefixtures("small")
def test_lost_tables_come_back_with_the_galleries_of_each_image() -> None:
    made = _two_places(scenes.registered({}))
    for name in ("a-base", "b-base", "rhel9-base"):
        made.register(name, None)
    made.drain()
    before = {name: _galleries(made, name) for name in map(ImageName, ("a-base", "b-base", "rhel9-base"))}
    losses.lose_tables(made)
    losses.recover(made)
    assert {name: _galleries(made, name) for name in before} == before
    assert before[BASE] == (LIVE2, QUARANTINE2)
    made.register("rhel9-java", "rhel9-base")
    assert _galleries(made, JAVA) == (LIVE2, QUARANTINE2)


@pytest.mark.usefixtures("small")
def test_what_dead_builds_left_in_the_second_quarantine_is_removed() -> None:
    made = _two_places(scenes.registered({}))
    for name in ("a-base", "b-base", "rhel9-base"):
        made.register(name, None)
    made.drain()
    (left,) = made.ports.galleries.list_versions(QUARANTINE2, BASE)
    made.ports.clock.advance(timedelta(days=2))
    made.factory.reaper.reap()
    assert made.ports.galleries.find_version(QUARANTINE2, BASE, left.version) is None
