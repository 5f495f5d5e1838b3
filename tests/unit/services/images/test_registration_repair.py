"""A registration that dies half-way is found by the sweep; what a gallery fixes for good cannot be changed."""

import pytest

from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.policy import OPEN
from pipeline_core.wire.image_yaml import read as image_yaml
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
    digest, content = fleet.bundle("content")
    made.factory.registrar.store_bundle(digest, content)
    registrar = made.factory.registrar
    head = registrar._head(
        made.base.effects.documents.definition(
            made.base.effects.documents.store(
                image_yaml.definition_blob(fleet.document("rhel9-java", "rhel9-base"), digest)
            )
        ),
        digest,
        OPEN,
        None,
    )
    registrar._index(head)  # and there the host dies
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
