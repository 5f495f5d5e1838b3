"""The route that recovers state: one step per request, by cursor."""

import pytest

from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory

ADMIN = {"Authorization": "Bearer good.admin"}


def test_a_rebuild_is_taken_step_by_step(client: AsgiClient, factory: TwinFactory) -> None:
    first = client.post("/api/state/rebuild", headers=ADMIN).json()
    assert first == {
        "restored": ["app", "base"],
        "kept": [],
        "deleted": ["old"],
        "problems": [],
        "next": "lineage:",
    }
    second = client.post("/api/state/rebuild", json={"after": first["next"], "force": True}, headers=ADMIN)
    assert second.json()["problems"] == [{"image": "app", "message": "is gone"}]
    assert second.json()["next"] is None
    assert factory.recovery.cursors == [("", False), ("lineage:", True)]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"after": "x" * 81}, 400),
        ({"after": "told:NO"}, 400),
        ({"after": 1}, 422),
        ({"force": "yes"}, 422),
        ({"until": ""}, 422),
    ],
)
def test_a_body_of_another_form_is_refused(
    body: dict[str, object], status: int, client: AsgiClient, factory: TwinFactory
) -> None:
    assert client.post("/api/state/rebuild", json=body, headers=ADMIN).status_code == status
    assert factory.recovery.cursors == []
