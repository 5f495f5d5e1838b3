"""Routes of outages: every field on the wire, and SecOps' word that one is over."""

from pipeline_core.domain.errors import ErrorClass
from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory

ADMIN = {"Authorization": "Bearer good.admin"}
READER = {"Authorization": "Bearer good.reader"}


def test_an_open_breaker_is_listed(client: AsgiClient) -> None:
    (shown,) = client.get("/api/outages", headers=READER).json()["breakers"]
    assert (shown["error_class"], shown["scope"]) == ("registry", "region:westeurope")
    assert set(shown) == {"error_class", "scope", "opened_at", "next_probe", "message"}


def test_secops_retry_a_class(client: AsgiClient, factory: TwinFactory) -> None:
    answer = client.post("/api/outages/retry", json={"class": "registry"}, headers=ADMIN)
    assert answer.json() == {"closed": ["region:westeurope"], "images": ["payments-api"], "next": None}
    assert factory.retries.retried == [(ErrorClass.REGISTRY, "")]


def test_others_and_unknown_classes_are_refused(client: AsgiClient, factory: TwinFactory) -> None:
    assert client.post("/api/outages/retry", json={"class": "registry"}, headers=READER).status_code == 403
    assert client.post("/api/outages/retry", json={"class": "weather"}, headers=ADMIN).status_code == 422
    assert factory.retries.retried == []
