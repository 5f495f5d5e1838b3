"""A bundle is used by the teams that have uploaded it, or got it from SecOps. A digest proves nothing. Over HTTP."""

import httpx
import pytest

from pipeline_core.domain.names import Digest, ImageName, TeamName
from pipeline_core.ports import Principal
from pipeline_core.state.bundles import BundleStore
from simulation import fleet
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.triggers.asgi_client import AsgiClient
from triggers.api.app import create_app

APP = ImageName("app")


class Api:
    """The API over a world of real services, for SecOps and two teams."""

    def __init__(self) -> None:
        self.made: SimulatedWorld = scenes.registered({"rhel9-base": None})
        self._client = AsgiClient(create_app(lambda: self.made.factory))
        self.made.ports.tokens.grant("secops", ADMIN)
        for team in ("payments", "evil"):
            self.made.ports.tokens.grant(team, scenes.principal(team))

    def ask(self, who: str, method: str, path: str, **arguments: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {who}", **arguments.pop("headers", {})}  # type: ignore[dict-item]
        return self._client.request(method, f"/api/{path}", headers=headers, **arguments)

    def upload(self, who: str, text: str) -> Digest:
        digest, content = fleet.bundle(text)
        assert self.ask(who, "PUT", f"bundles/{digest}", content=content).status_code in (200, 201)
        return digest

    def register(
        self, who: str, digest: Digest, *, team: str = "", etag: str = "", name: str = "app"
    ) -> httpx.Response:
        body = {"document": fleet.document(name, "rhel9-base", team=team or who), "bundle": str(digest)}
        headers = {"If-Match": etag} if etag else {"If-None-Match": "*"}
        return self.ask(who, "PUT", f"images/{name}", json=body, headers=headers)


@pytest.fixture
def api() -> Api:
    return Api()


def test_another_team_s_digest_is_refused_with_one_line_and_nothing_is_stored(api: Api) -> None:
    digest = api.upload("payments", "secret sauce")
    refused = api.register("evil", digest)
    assert refused.status_code == 403
    detail = refused.json()["detail"]
    assert detail.startswith(f"team evil has not uploaded the bundle {digest}: upload it")
    assert "\n" not in detail
    assert scenes.images(api.made).find_head(APP) is None
    assert api.register("payments", digest).status_code == 201


def test_the_platform_s_bundle_is_secops_alone(api: Api) -> None:
    digest = api.upload("secops", "platform steps")
    assert api.register("evil", digest).status_code == 403


def test_who_uploads_the_same_content_has_it_and_both_own_it(api: Api) -> None:
    digest = api.upload("payments", "common")
    assert api.upload("evil", "common") == digest
    assert api.register("evil", digest).status_code == 201
    assert api.register("payments", digest, name="other").status_code == 201
    stored = BundleStore(api.made.ports.tables).find(digest)
    assert stored is not None
    assert stored.value.owners == (TeamName("evil"), TeamName("payments"))


def test_secops_share_a_bundle(api: Api) -> None:
    digest = api.upload("payments", "shared")
    body = {"to": "evil", "reason": "they build the same"}
    assert api.ask("payments", "POST", f"bundles/{digest}/share", json=body).status_code == 403
    assert api.ask("secops", "POST", f"bundles/{digest}/share", json={"to": "evil"}).status_code == 422
    assert api.ask("secops", "POST", f"bundles/{'0' * 64}/share", json=body).status_code == 404
    assert api.register("evil", digest).status_code == 403
    for _ in range(2):
        shared = api.ask("secops", "POST", f"bundles/{digest}/share", json=body)
        assert shared.json() == {"bundle": str(digest), "owners": ["evil", "payments"]}
    assert api.register("evil", digest).status_code == 201
    assert scenes.logged(api.made, "bundle-shared", team="evil", why="they build the same")


def test_secops_register_for_a_team_and_the_team_goes_on_with_that_image_alone(api: Api) -> None:
    digest = api.upload("secops", "given")
    made = api.register("secops", digest, team="payments")
    assert made.status_code == 201
    assert api.register("payments", digest, etag=made.headers["ETag"]).status_code == 200
    assert api.register("payments", digest, name="other").status_code == 403


def test_a_bundle_of_an_older_release_is_for_the_team_whose_image_uses_it(api: Api) -> None:
    digest = api.upload("payments", "old")
    assert api.register("payments", digest).status_code == 201
    losses.lose_tables(api.made, "index", only=lambda row: row.partition == "bundles")
    assert api.register("evil", digest, name="other").status_code == 403
    assert api.register("payments", digest, name="third").status_code == 201


def test_a_bundle_of_an_older_release_that_no_image_uses_is_secops_alone(api: Api) -> None:
    digest = api.upload("payments", "old")
    losses.lose_tables(api.made, "index", only=lambda row: row.partition == "bundles")
    assert api.register("payments", digest).status_code == 403
    assert api.register("secops", digest, team="payments").status_code == 201


def test_an_upload_by_two_at_once_keeps_both_owners(api: Api) -> None:
    digest, content = fleet.bundle("raced")
    registrar = api.made.factory.registrar
    again = scenes.once(lambda: registrar.store_bundle(digest, content, scenes.principal("ml")))

    def before(table: str, writes: object) -> None:
        again()

    scenes.rewired(api.made, tables=scenes.WatchedTables(inner=api.made.ports.tables, before=before))
    both = Principal(subject="p", name="P", teams=frozenset({TeamName("payments"), TeamName("evil")}))
    api.made.factory.registrar.store_bundle(digest, content, both)
    stored = BundleStore(api.made.ports.tables).find(digest)
    assert stored is not None
    assert set(map(str, stored.value.owners)) == {"ml", "payments", "evil"}
