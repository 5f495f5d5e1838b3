"""The routes of an image's history and of rows that cannot be read: pages by a cursor."""

from dataclasses import replace

import pytest

from pipeline_core.services.views.views import unreadable_view
from tests.unit.triggers import views
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory

READER = {"Authorization": "Bearer good.reader"}


@pytest.mark.parametrize(("kind", "key"), [("builds", "builds"), ("journal", "entries")])
def test_a_page_of_the_history_names_the_next(
    kind: str, key: str, client: AsgiClient, factory: TwinFactory
) -> None:
    path = f"/api/images/payments-api/{kind}"
    first = client.get(path, headers=READER).json()
    assert len(first[key]) > 0
    again = client.get(path, params={"cursor": first["next"], "limit": "7"}, headers=READER)
    assert again.status_code == 200
    assert factory.history.asked == [("payments-api", "", 50), ("payments-api", first["next"], 7)]


@pytest.mark.parametrize("kind", ["builds", "journal"])
@pytest.mark.parametrize(
    ("parameters", "status"),
    [({"cursor": "a/b"}, 400), ({"cursor": "x" * 201}, 400), ({"limit": "201"}, 400), ({"limit": "0"}, 400)],
)
def test_a_cursor_or_a_limit_of_another_form_is_refused(
    kind: str, parameters: dict[str, str], status: int, client: AsgiClient, factory: TwinFactory
) -> None:
    answer = client.get(f"/api/images/payments-api/{kind}", params=parameters, headers=READER)
    assert answer.status_code == status
    assert factory.history.asked == []


def test_an_image_of_which_nothing_is_known_is_not_found(client: AsgiClient) -> None:
    assert client.get("/api/images/ghost/journal", headers=READER).status_code == 404


def test_an_image_shows_where_its_history_goes_on(client: AsgiClient) -> None:
    shown = client.get("/api/images/payments-api", headers=READER).json()
    assert (shown["next_builds"], shown["next_journal"]) == (views.DETAIL.next_builds, None)


def test_an_image_whose_row_cannot_be_read_is_shown_as_unknown(
    client: AsgiClient, factory: TwinFactory
) -> None:
    hidden = unreadable_view("payments-api", "its row has schema 2")
    factory.queries.detail = replace(views.DETAIL, image=hidden, etag=None, definition=None, bundle=None)
    answer = client.get("/api/images/payments-api", headers=READER)
    assert answer.status_code == 200
    assert "ETag" not in answer.headers
    shown = answer.json()
    assert (shown["state"], shown["team"], shown["detail"]) == ("unknown", None, "its row has schema 2")


def test_rows_that_cannot_be_read_are_listed(client: AsgiClient, factory: TwinFactory) -> None:
    page = client.get("/api/state/unreadable", params={"limit": "3"}, headers=READER).json()
    assert page["rows"] == [
        {
            "table": "images",
            "partition": "payments-api",
            "key": f"build:{views.BUILD_ID}",
            "image": "payments-api",
            "row_schema": "2",
            "why": views.UNREADABLE.why,
            "first_seen": "2026-11-21T09:30:00Z",
        }
    ]
    assert page["next"] == views.ROWS.after
    assert factory.unreadable.asked == [("", 3)]
