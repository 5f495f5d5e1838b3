"""A registration that dies half-way is found by the sweep; what a gallery fixes for good cannot be changed."""

from collections.abc import Sequence

import pytest

from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import TableWrite
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet
from simulation.world import ADMIN
from tests.unit.services import scenes


def test_a_registration_that_dies_after_its_write_is_built_all_the_same() -> None:
    made = scenes.registered({"rhel9-base": None})
    made.settle()
    error = TransientError(ErrorClass.NETWORK, "the host died")
    scenes.rewired(made, queues=scenes.Failing(inner=made.ports.queues, name="send", errors=[error]))
    with pytest.raises(TransientError):
        made.register("rhel9-java", "rhel9-base")
    made.settle()
    assert made.versions()["rhel9-java"]


def test_a_registration_that_dies_before_its_write_leaves_nothing_behind() -> None:
    made = scenes.registered({"rhel9-base": None})
    made.settle()

    def die(table: str, writes: Sequence[TableWrite]) -> None:
        if table == "images":
            raise TransientError(ErrorClass.NETWORK, "the host died")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=die))
    with pytest.raises(TransientError):
        made.register("rhel9-java", "rhel9-base")
    scenes.rewired(made)
    assert "rhel9-java" in made.versions()
    made.settle()
    assert "rhel9-java" not in made.versions()


def test_the_traits_that_a_gallery_fixes_cannot_be_changed() -> None:
    made = scenes.registered({"rhel9-base": None})
    head = scenes.images(made).get_head(ImageName("rhel9-base")).value
    document = fleet.document("rhel9-base", None)
    document["spec"]["os"] = {"generation": "V1", "architecture": "x64", "securityType": "Standard"}
    digest, _ = fleet.bundle("content")
    with pytest.raises(InvalidDocument, match=r"spec\.os: differs"):
        made.factory.registrar.register(
            ImageName("rhel9-base"), document, digest, ADMIN, expected=head.document_etag, create_only=False
        )
