"""Every list that takes a cursor: a text that is none is refused, and the cursors of real pages lead to the end."""

from typing import Any

import pytest

from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.receivers import FleetReceiver
from simulation import world
from simulation.world import SimulatedWorld
from tests.unit.services import scenes, unreadable_rows
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory

ADMIN = {"Authorization": "Bearer good.admin"}

# list -> (address, the name of its cursor, the field with its rows)
LISTS: dict[str, tuple[str, str, str]] = {
    "images": ("/api/images", "after", "images"),
    "builds": ("/api/images/rhel9-base/builds", "cursor", "builds"),
    "journal": ("/api/images/rhel9-base/journal", "cursor", "entries"),
    "names": ("/api/names", "after", "names"),
    "retention": ("/api/retention", "after", "plans"),
    "receivers": ("/api/receivers", "cursor", "receivers"),
    "poison": ("/api/poison", "after", "records"),
    "unreadable rows": ("/api/state/unreadable", "after", "rows"),
    "approvals": ("/api/approvals", "after", "approvals"),
    "policy versions": ("/api/policy/versions", "before", "versions"),
}


@pytest.fixture(scope="module")
def made() -> SimulatedWorld:
    """A fleet in which each list has at least three rows."""
    made = scenes.settled({"rhel9-base": None, "rhel9-java": "rhel9-base", "rhel9-python": "rhel9-base"})
    for number in range(3):
        made.register("rhel9-base", None, text=f"content {number}")
        made.drain()
        made.factory.poison.record("build-steps", f"garbage {number}")
        url = f"https://hooks.factory.corp/{number}"
        made.factory.receivers.add(FleetReceiver(url=url, bases=True), world.ADMIN)
    made.register("pay-base", "rhel9-base", team="payments")
    for team in ("a", "b", "c"):
        parent, wanted = ImageName("pay-base"), TeamName(team)
        made.factory.approvals.approve(parent, wanted, world.ADMIN, until=None, reason="r")
    for name in ("rhel9-base", "rhel9-java", "rhel9-python"):
        entry = unreadable_rows.keys(made, "images", name, "entry:")[-1]
        unreadable_rows.make_unreadable(made, "images", name, entry)
        made.factory.history.journal(ImageName(name), limit=200)
    for name in ("app-a", "app-b", "app-c"):
        made.register(name, "rhel9-base")
        made.drain()
        made.factory.registrar.unregister(
            ImageName(name), world.ADMIN, scenes.head(made, ImageName(name)).document_etag
        )
    return made


@pytest.fixture
def over(made: SimulatedWorld, factory: TwinFactory, client: AsgiClient) -> AsgiClient:
    """The HTTP app over the real services of the fleet."""
    for name in (
        "queries",
        "history",
        "retention",
        "receivers",
        "poison_review",
        "unreadable",
        "names",
        "approvals",
    ):
        setattr(factory, name, getattr(made.factory, name))
    return client


@pytest.mark.parametrize("case", [name for name in LISTS if name != "policy versions"])
def test_the_cursors_of_a_list_lead_to_each_row_once(case: str, over: AsgiClient) -> None:
    path, cursor, rows = LISTS[case]
    (whole,) = _pages(over, path, cursor, limit=50)
    pages = _pages(over, path, cursor, limit=1)
    assert [row for page in pages for row in page[rows]] == whole[rows]
    assert len(whole[rows]) >= 3


@pytest.mark.parametrize("case", LISTS)
@pytest.mark.parametrize("text", ["nonsense!", "9879-App", "x" * 3000 + "!"])
def test_a_text_that_is_no_cursor_is_refused_with_what_to_do(case: str, text: str, over: AsgiClient) -> None:
    path, cursor, _ = LISTS[case]
    refused = over.get(path, params={cursor: text}, headers=ADMIN)
    assert refused.status_code == 400
    problem = refused.json()
    assert problem["detail"].startswith(f"{cursor}: ")
    assert "give `next` of the page before as it is" in problem["detail"]
    assert len(problem["detail"]) < 400
    assert [fault["path"] for fault in problem["errors"]] == [cursor]


def test_a_retry_does_not_go_on_from_a_text_that_is_no_cursor(
    client: AsgiClient, factory: TwinFactory
) -> None:
    body = {"class": "registry", "after": "Nonsense"}
    refused = client.post("/api/outages/retry", json=body, headers=ADMIN)
    assert refused.status_code == 400
    assert "give `next` of the page before" in refused.json()["detail"]
    assert factory.retries.retried == []


@pytest.mark.parametrize("path", ["/", "/poison"])
def test_a_page_of_the_dashboard_refuses_it_too(path: str, client: AsgiClient) -> None:
    assert client.get(path, params={"after": "nonsense!"}, headers=ADMIN).status_code == 400


def _pages(client: AsgiClient, path: str, cursor: str, *, limit: int) -> list[dict[str, Any]]:
    pages: list[dict[str, Any]] = []
    place = ""
    for _ in range(500):
        answer = client.get(path, params={cursor: place, "limit": str(limit)}, headers=ADMIN)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        place = pages[-1]["next"]
        if place is None:
            return pages
    raise AssertionError(f"{path} has no end")
