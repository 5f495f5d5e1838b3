"""`imagefactory retry`: page by page, and what is open where no class is named."""

import json

import pytest

from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import FakeFactory

pytestmark = pytest.mark.process


def test_every_page_of_the_fleet_is_asked_for(run: Run, factory: FakeFactory) -> None:
    pages = (
        {"closed": ["region:westeurope"], "images": ["app"], "next": "app"},
        {"closed": [], "images": ["web"], "next": None},
    )
    factory.answers.extend((200, {}, json.dumps(page).encode()) for page in pages)
    done = run("retry", "--class", "registry")
    assert done.exit_code == 0
    assert "registry: 1 breakers closed, 2 images are tried again" in done.stdout
    assert [asked[:2] for asked in factory.asked] == [("POST", "/api/outages/retry")] * 2


def test_without_a_class_it_names_what_is_open(run: Run, factory: FakeFactory) -> None:
    factory.shown["/api/outages"] = {"breakers": [{"error_class": "terms", "scope": "source:a:b:c"}]}
    done = run("retry")
    assert done.exit_code == 2
    assert "terms in source:a:b:c" in " ".join(done.stderr.split())
