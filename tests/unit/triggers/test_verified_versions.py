"""What a consumer verifies of what the API really gives: the factory's services, its API, the command's judgement."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from imagefactory import verification
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.proofs import VersionFacts, VersionInGallery, parse_published
from pipeline_core.domain.signatures import PublicKey
from pipeline_core.ports import GalleryImageVersion
from simulation.world import ADMIN, LIVE, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA
from tests.unit.triggers.asgi_client import AsgiClient
from triggers.api.app import create_app

CHECKS = [
    "signature",
    "statement",
    "subject",
    "image",
    "tags",
    "build",
    "fingerprint",
    "gates",
    "source",
    "publication",
]
HEADERS = {"Authorization": "Bearer secops"}


class Consumer:
    """Asks the API for a version, and judges the answer with the keys that the API gives out."""

    def __init__(self, made: SimulatedWorld) -> None:
        self.made = made
        self._client = AsgiClient(create_app(lambda: made.factory))
        made.ports.tokens.grant("secops", ADMIN)

    def live(self, image: ImageName) -> GalleryImageVersion:
        (found,) = self.made.ports.galleries.list_versions(LIVE, image)
        return found

    def answer(self, live: GalleryImageVersion) -> dict[str, Any]:
        found: dict[str, Any] = self._get(f"images/{live.image}/versions/{live.version}/provenance")
        return found

    def refused(self, shown: dict[str, Any], asked: GalleryImageVersion) -> list[str]:
        """The checks that do not hold for what was asked for; all others are proven."""
        version = VersionInGallery(
            subject=shown["subject"],
            tags=shown["tags"],
            image=str(asked.image),
            version=str(asked.version),
            facts=VersionFacts(
                source=shown["source"],
                published_at=parse_published(shown["published_at"]),
                disk_gb=shown["disk_gb"],
            ),
        )
        keys = [PublicKey(x=each["x"], y=each["y"]) for each in self._get("provenance/keys")["keys"]]
        report = verification.judge(shown["envelope"], shown["publication"], version, keys)
        assert all(each.is_proven for each in report.findings)
        assert [each.name for each in report.findings] == CHECKS
        return [each.name for each in report.findings if not each.holds]

    def delete(self, image: ImageName) -> None:
        path = f"/api/images/{image}"
        etag = self._client.get(path, headers=HEADERS).headers["ETag"]
        deleted = self._client.request("DELETE", path, headers={**HEADERS, "If-Match": etag})
        assert deleted.status_code == 204, deleted.text

    def _get(self, path: str) -> Any:
        answer = self._client.get(f"/api/{path}", headers=HEADERS)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def consumer() -> Consumer:
    return Consumer(scenes.settled({"rhel9-base": None, "rhel9-java": "rhel9-base"}))


def test_a_published_version_is_verified_in_every_check(consumer: Consumer) -> None:
    live = consumer.live(BASE)
    assert consumer.refused(consumer.answer(live), live) == []


def test_the_answer_about_one_image_proves_no_other(consumer: Consumer) -> None:
    shown = consumer.answer(consumer.live(JAVA))
    assert consumer.refused(shown, consumer.live(BASE)) == ["image"]


def test_a_version_of_a_deleted_image_is_verified(consumer: Consumer) -> None:
    live = consumer.live(JAVA)
    consumer.delete(JAVA)
    assert consumer.refused(consumer.answer(live), live) == []


@pytest.mark.parametrize(
    ("copied_from", "wanted"),
    [
        ("", ["source", "publication"]),
        ("live/rhel9-java@{java}", ["source", "publication"]),
        (None, ["publication"]),
    ],
)
def test_a_version_that_was_made_anew_under_its_number_is_not_verified(
    copied_from: str | None, wanted: list[str], consumer: Consumer
) -> None:
    """Tags and number are the right ones. The factory, which knows nothing of it yet, shows what the gallery shows."""
    live, galleries = consumer.live(BASE), consumer.made.ports.galleries
    java = consumer.live(JAVA).version
    galleries.begin_delete(LIVE, BASE, live.version)
    consumer.made.ports.clock.advance(timedelta(minutes=1))
    source = live.copied_from if copied_from is None else copied_from.format(java=java)
    galleries.add_version(replace(live, copied_from=source, published_at=consumer.made.ports.clock.now()))
    assert consumer.refused(consumer.answer(live), live) == wanted
