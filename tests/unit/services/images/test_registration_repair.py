"""A registration that dies half-way is found by the sweep; what a gallery fixes for good cannot be changed."""

from collections.abc import Sequence

import pytest

from pipeline_core.domain.definitions import OsTraits, SecurityType
from pipeline_core.domain.errors import ErrorClass, TransientError
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.ports import TableWrite
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import scenes

LIVE, QUARANTINE = GalleryName("live"), GalleryName("quarantine")


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


def _register_with(made: SimulatedWorld, os: dict[str, str]) -> None:
    head = scenes.images(made).get_head(ImageName("rhel9-base")).value
    document = fleet.document("rhel9-base", None)
    document["spec"]["os"] = os
    digest, _ = fleet.bundle("content")
    made.factory.registrar.register(
        ImageName("rhel9-base"), document, digest, ADMIN, expected=head.document_etag, create_only=False
    )


GEN1 = {"generation": "V1", "architecture": "x64", "securityType": "Standard"}
STANDARD = {**GEN1, "generation": "V2"}


@pytest.mark.parametrize(
    ("os", "said"),
    [
        (GEN1, r"its generation is V2, the image wants V1.*new name"),
        (STANDARD, r"its security type is TrustedLaunchSupported, the image wants Standard.*keep Trusted"),
    ],
)
def test_the_traits_that_a_gallery_fixes_cannot_be_changed(os: dict[str, str], said: str) -> None:
    made = scenes.registered({"rhel9-base": None})
    made.settle()
    with pytest.raises(
        InvalidDocument, match=rf"spec\.os: does not fit the image definition in live: {said}"
    ):
        _register_with(made, os)


def test_traits_may_change_as_long_as_no_gallery_fixes_them() -> None:
    made = scenes.registered({"rhel9-base": None})
    _register_with(made, STANDARD)
    made.settle()
    found = made.ports.galleries.find_image(LIVE, ImageName("rhel9-base"))
    assert found == OsTraits(security_type=SecurityType.STANDARD)


def test_a_security_type_that_secops_has_changed_in_both_galleries_may_be_registered() -> None:
    made = scenes.registered({"rhel9-base": None})
    _register_with(made, STANDARD)
    made.settle()
    before = set(made.versions())
    trusted = {**STANDARD, "securityType": "TrustedLaunch"}
    with pytest.raises(InvalidDocument, match=r"security type is Standard.*TrustedLaunchSupported begin"):
        _register_with(made, trusted)
    for gallery in (LIVE, QUARANTINE):
        made.ports.galleries.change_security_type(
            gallery, ImageName("rhel9-base"), SecurityType.TRUSTED_LAUNCH_SUPPORTED
        )
    _register_with(made, trusted)
    made.settle()
    assert before <= set(made.versions())
    assert made.versions()["rhel9-base"]
