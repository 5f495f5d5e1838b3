"""Inputs that come back: the version that has them is current again, and `latest` means it."""

from pipeline_core.domain.names import ImageName
from pipeline_core.domain.versions import GalleryVersion
from simulation import world
from tests.unit.services import scenes

BASE = ImageName("rhel9-base")


def test_a_definition_that_is_reverted_builds_nothing_and_latest_follows() -> None:
    made = world.make()
    made.register("rhel9-base", None, text="one")
    made.settle()
    first = made.versions()["rhel9-base"]
    made.register("rhel9-base", None, text="two")
    made.settle()
    second = made.versions()["rhel9-base"]
    assert first != second
    made.register("rhel9-base", None, text="one")
    made.settle()
    assert made.versions()["rhel9-base"] == first
    assert len(scenes.builds(made, BASE)) == 2
    assert made.ports.galleries.latest(world.LIVE, BASE) == GalleryVersion.parse(first)
    made.register("rhel9-base", None, text="two")
    made.settle()
    assert made.ports.galleries.latest(world.LIVE, BASE) == GalleryVersion.parse(second)


def test_a_version_that_a_person_took_out_stays_out_when_its_image_is_registered_again() -> None:
    made = world.make()
    made.register("rhel9-base", None)
    made.settle()
    version = GalleryVersion.parse(made.versions()["rhel9-base"])
    made.ports.galleries.set_excluded(world.LIVE, BASE, version, excluded=True)
    etag = scenes.images(made).get_head(BASE).value.document_etag
    made.factory.registrar.unregister(BASE, world.ADMIN, etag)
    made.register("rhel9-base", None)
    made.settle()
    assert made.ports.galleries.latest(world.LIVE, BASE) is None
    assert scenes.head(made, BASE).current is None
    assert list(scenes.head(made, BASE).taken_out) == [version]
    assert len(scenes.builds(made, BASE)) == 1
