"""The API of retention: what goes, what waits until when, and why the rest stays."""

from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory

READER = {"Authorization": "Bearer good.reader"}


def test_a_plan_says_what_happens_to_each_version_and_why(client: AsgiClient) -> None:
    shown = client.get("/api/images/payments-api/retention", headers=READER).json()
    assert (shown["image"], shown["keep"], shown["keep_in_use"]) == ("payments-api", 1, False)
    assert [each["removal"] for each in shown["steps"]] == ["exclude", "wait", "keep"]
    assert [each["delete_after"] for each in shown["steps"]] == [None, "2026-11-28T09:30:00Z", None]
    assert shown["steps"][2]["reasons"] == [{"by": "current", "message": "it is current"}]
    assert shown["waiting_for_use"] == 0


def test_an_unknown_image_is_not_found(client: AsgiClient) -> None:
    assert client.get("/api/images/other/retention", headers=READER).status_code == 404


def test_all_images_come_in_pages_and_one_that_fails_is_named(
    client: AsgiClient, factory: TwinFactory
) -> None:
    factory.retention.error = "its definition cannot be read"
    page = client.get("/api/retention", params={"limit": "1"}, headers=READER).json()
    assert [each["image"] for each in page["plans"]] == ["payments-api"]
    assert page["failed"] == [{"image": "broken", "message": "its definition cannot be read"}]
    assert page["next"] == "payments-api"
    assert (page["round"]["after"], page["round"]["is_over"]) == ("java", False)
    assert page["round"]["began_at"]
    assert client.get("/api/retention", params={"limit": "51"}, headers=READER).status_code == 400
