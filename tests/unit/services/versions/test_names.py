"""Names outlive their images: nobody but their team and SecOps takes a name whose versions are live. Over HTTP."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from pipeline_core.domain.attempts import PROVENANCE_TAG
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import NotFound, TransientError
from pipeline_core.domain.images import ActiveBuild, FormerImage
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.retention import KeepRule, Removal
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.state import images as records
from pipeline_core.state.galleries.reserved import ReservedNameStore
from pipeline_core.wire.recovery_log import ImageEntry
from simulation import fleet, world
from simulation.world import ADMIN, LIVE, SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services.scenes import BASE
from tests.unit.services.upkeep import aging
from tests.unit.triggers.asgi_client import AsgiClient
from triggers.api.app import create_app

APP = ImageName("pay-tmp")
TEAMS = ("payments", "evil")
LATER = timedelta(minutes=31)


class Api:
    """The API over a world of real services, for SecOps and two teams."""

    def __init__(self, made: SimulatedWorld) -> None:
        self.made = made
        self._client = AsgiClient(create_app(lambda: made.factory))
        made.ports.tokens.grant("secops", ADMIN)
        for team in TEAMS:
            made.ports.tokens.grant(team, scenes.principal(team))

    def ask(self, who: str, method: str, path: str, **arguments: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {who}", **arguments.pop("headers", {})}  # type: ignore[dict-item]
        return self._client.request(method, f"/api/{path}", headers=headers, **arguments)

    def register(self, who: str, name: str, parent: str | None, text: str = "content") -> httpx.Response:
        team = "secops" if who == "secops" else who
        body = {
            "document": fleet.document(name, parent, team=team),
            "bundle": str(world.upload(self.made, text)),
        }
        answer = self.ask(who, "PUT", f"images/{name}", json=body, headers={"If-None-Match": "*"})
        self.made.drain()
        return answer

    def delete(self, who: str, name: str) -> None:
        etag = self.ask(who, "GET", f"images/{name}").headers["ETag"]
        deleted = self.ask(who, "DELETE", f"images/{name}", headers={"If-Match": etag})
        assert deleted.status_code == 204, deleted.text


@pytest.fixture
def api() -> Api:
    """`pay-tmp` of payments was published and deleted."""
    api = Api(scenes.settled({"rhel9-base": None}))
    assert api.register("payments", "pay-tmp", "rhel9-base").status_code == 201
    api.delete("payments", "pay-tmp")
    assert api.made.ports.galleries.latest(LIVE, APP) is not None
    return api


def _former(made: SimulatedWorld, name: ImageName = APP) -> FormerImage:
    stored = scenes.images(made).find_former(name)
    assert stored is not None
    return stored.value


def _lose_versions(made: SimulatedWorld, image: ImageName = APP) -> None:
    for each in made.ports.galleries.list_versions(LIVE, image):
        made.ports.galleries.begin_delete(LIVE, image, each.version)
    made.ports.clock.advance(timedelta(minutes=10))
    assert made.ports.galleries.list_versions(LIVE, image) == []


def _as_of_an_older_release(made: SimulatedWorld) -> None:
    """The record as a release before this one left it: without team, and without a row that leads to it."""
    stored = scenes.images(made).find_former(APP)
    assert stored is not None
    old = FormerImage(name=APP, revision=stored.value.revision, last_version=stored.value.last_version)
    scenes.images(made).commit([records.put_former(old, etag=stored.etag)])
    ReservedNameStore(made.ports.tables).remove(APP)


def test_another_team_does_not_take_the_name_and_nothing_is_stored(api: Api) -> None:
    refused = api.register("evil", "pay-tmp", "rhel9-base", "evil")
    assert refused.status_code == 403
    assert "reserved for team payments" in refused.json()["detail"]
    assert "\n" not in refused.json()["detail"]
    assert scenes.images(api.made).find_head(APP) is None
    assert len(api.made.ports.galleries.list_versions(LIVE, APP)) == 1


@pytest.mark.parametrize("who", ["payments", "secops"])
def test_its_team_and_secops_use_the_name_again(api: Api, who: str) -> None:
    assert api.register(who, "pay-tmp", "rhel9-base").status_code == 201
    assert scenes.images(api.made).find_former(APP) is None
    assert api.ask("secops", "GET", "names").json() == {"names": [], "next": None}


def test_the_name_of_a_base_is_for_secops(api: Api) -> None:
    assert api.register("secops", "base-x", None).status_code == 201
    api.delete("secops", "base-x")
    refused = api.register("evil", "base-x", "rhel9-base")
    assert refused.status_code == 403
    assert "base image" in refused.json()["detail"]
    assert api.register("secops", "base-x", None).status_code == 201


def test_a_name_that_an_older_release_left_is_for_secops_and_is_looked_at_from_then_on(api: Api) -> None:
    _as_of_an_older_release(api.made)
    refused = api.register("payments", "pay-tmp", "rhel9-base")
    assert refused.status_code == 403
    assert "no record shows its team: only SecOps registers it" in refused.json()["detail"]
    (listed,) = api.ask("evil", "GET", "names").json()["names"]
    assert (listed["name"], listed["team"]) == ("pay-tmp", None)
    plan = api.ask("evil", "GET", "images/pay-tmp/retention").json()
    assert [step["reasons"][0]["by"] for step in plan["steps"]] == ["no-rule"]
    version = plan["steps"][0]["version"]
    assert api.ask("evil", "GET", f"images/pay-tmp/versions/{version}/provenance").status_code == 200


def test_secops_hand_a_name_over_and_the_journal_says_so(api: Api) -> None:
    body = {"to": "evil", "reason": "payments moved it to them"}
    assert api.ask("payments", "POST", "names/pay-tmp/handover", json=body).status_code == 403
    assert api.ask("secops", "POST", "names/pay-tmp/handover", json={"to": "evil"}).status_code == 422
    assert api.ask("secops", "POST", "names/pay-tmp/handover", json={"to": "no team"}).status_code == 400
    assert _former(api.made).team == TeamName("payments")
    for _ in range(2):  # safe to repeat
        answer = api.ask("secops", "POST", "names/pay-tmp/handover", json=body)
        assert (answer.status_code, answer.json()["team"]) == (200, "evil")
    entry = scenes.entry_of(api.made, APP, Event.NAME_HANDED_OVER)
    assert entry.detail == "from team payments to team evil: payments moved it to them"
    assert api.register("payments", "pay-tmp", "rhel9-base").status_code == 403
    assert api.register("evil", "pay-tmp", "rhel9-base").status_code == 201


def test_what_cannot_be_handed_over_is_refused_by_name(api: Api) -> None:
    body = {"to": "evil", "reason": "x"}
    assert api.ask("secops", "POST", "names/rhel9-base/handover", json=body).status_code == 409
    assert api.ask("secops", "POST", "names/never-there/handover", json=body).status_code == 404
    _free(api)
    assert api.ask("secops", "POST", "names/pay-tmp/handover", json=body).status_code == 409


def test_the_versions_of_a_deleted_image_stay_listed_and_their_proof_is_shown(api: Api) -> None:
    listed = api.ask("evil", "GET", "images/pay-tmp/versions").json()
    assert (listed["is_deleted"], listed["team"], listed["current"]) == (True, "payments", None)
    (line,) = listed["versions"]
    assert (line["in_latest"], line["standing"]) == (True, "live")
    shown = api.ask("evil", "GET", f"images/pay-tmp/versions/{line['version']}/provenance")
    assert shown.status_code == 200
    assert shown.json()["envelope"]["signatures"]
    gone = api.ask("evil", "GET", "images/pay-tmp")
    assert (gone.status_code, "/api/images/pay-tmp/versions" in gone.text) == (404, True)
    assert api.ask("evil", "GET", "images/never-there/versions").status_code == 404
    assert api.ask("evil", "GET", "images/pay-tmp/versions/9.20200101.1/provenance").status_code == 404


def test_a_registered_image_lists_its_versions_too(api: Api) -> None:
    listed = api.ask("evil", "GET", "images/rhel9-base/versions").json()
    assert [line["version"] for line in listed["versions"]] == [listed["current"]]
    assert (listed["is_deleted"], listed["team"]) == (False, "secops")


def _free(api: Api) -> None:
    _lose_versions(api.made)
    api.made.factory.galleries.observe()
    api.made.ports.clock.advance(LATER)
    api.made.factory.galleries.observe()


def test_a_name_is_free_when_two_looks_show_no_version(api: Api) -> None:
    api.made.factory.galleries.observe()
    _lose_versions(api.made)
    api.made.factory.galleries.observe()
    assert api.register("evil", "pay-tmp", "rhel9-base").status_code == 403
    api.made.ports.clock.advance(LATER)
    api.made.factory.galleries.observe()
    assert Event.NAME_FREED in scenes.events(api.made, APP)
    assert api.ask("evil", "GET", "names").json()["names"] == []
    assert api.register("evil", "pay-tmp", "rhel9-base").status_code == 201


def test_a_gallery_that_does_not_answer_frees_no_name(api: Api) -> None:
    made = api.made
    broken = scenes.Failing(inner=made.ports.galleries, name="list_versions", errors=[])
    scenes.rewired(made, galleries=broken)
    for _ in range(3):
        broken.errors[:] = [scenes.transient() for _ in range(10)]
        made.factory.galleries.observe()
        made.ports.clock.advance(LATER)
    assert _former(made).unseen_since is None
    broken.errors.clear()
    broken.errors.append(scenes.transient())
    with pytest.raises(TransientError):
        made.factory.names.look(APP)


def test_a_name_without_any_version_is_free_at_once() -> None:
    api = Api(scenes.registered({"rhel9-base": None}))
    digest = world.upload(api.made, "content")
    document = fleet.document("pay-tmp", "rhel9-base", team="payments")
    registrar = api.made.factory.registrar
    head = registrar.register(
        APP, document, digest, scenes.principal("payments"), expected=None, create_only=True
    ).head
    registrar.unregister(APP, scenes.principal("payments"), head.document_etag)
    assert api.ask("evil", "GET", "names").json()["names"] == []
    assert api.register("evil", "pay-tmp", "rhel9-base").status_code == 201


def test_after_lost_tables_the_reservation_is_as_it_was(api: Api) -> None:
    before = _former(api.made)
    losses.lose_tables(api.made)
    losses.recover(api.made)
    assert _former(api.made) == before
    assert api.register("evil", "pay-tmp", "rhel9-base").status_code == 403
    assert api.register("payments", "pay-tmp", "rhel9-base").status_code == 201


def test_after_lost_tables_a_handover_holds(api: Api) -> None:
    body = {"to": "evil", "reason": "payments moved it to them"}
    api.ask("secops", "POST", "names/pay-tmp/handover", json=body)
    losses.lose_tables(api.made)
    losses.recover(api.made)
    assert _former(api.made).team == TeamName("evil")


def _lose_log_of_this_release(api: Api) -> None:
    """The recovery log as an older release wrote it: it says that the image was deleted, and no more."""
    _as_of_an_older_release(api.made)
    blobs = api.made.ports.blobs
    newest = blobs.list("definitions", f"chronicle/images/{APP}/", limit=1)[0].name
    blobs.lose("definitions", newest)
    content = ImageEntry.of_former(_former(api.made)).to_wire()
    assert b"team" not in content
    blobs.create("definitions", newest, content, media_type="application/json")


def test_after_lost_tables_an_older_log_leaves_it_to_the_proven_versions(api: Api) -> None:
    made = api.made
    stored = scenes.images(made).find_former(APP)
    assert stored is not None
    _lose_log_of_this_release(api)
    losses.lose_tables(made)
    losses.recover(made)
    found = _former(made)
    assert (found.team, found.is_base, found.definition) == (
        TeamName("payments"),
        False,
        stored.value.definition,
    )


def test_after_lost_tables_what_nothing_shows_is_for_secops(api: Api) -> None:
    _lose_log_of_this_release(api)
    (version,) = api.made.ports.galleries.list_versions(LIVE, APP)
    for name in (f"{version.tags[PROVENANCE_TAG]}.json", f"{version.tags[PROVENANCE_TAG]}.dsse.json"):
        api.made.ports.blobs.lose("provenance", name)
    losses.lose_tables(api.made)
    losses.recover(api.made)
    assert _former(api.made).team is None
    assert api.register("payments", "pay-tmp", "rhel9-base").status_code == 403
    assert api.register("secops", "pay-tmp", "rhel9-base").status_code == 201


def _deleted_base(retention: dict[str, Any], texts: Sequence[str]) -> SimulatedWorld:
    made = aging.base_with(retention, *texts)
    made.factory.registrar.unregister(BASE, ADMIN, scenes.head(made, BASE).document_etag)
    return made


def test_retention_goes_on_by_the_rule_of_the_last_definition() -> None:
    made = _deleted_base(aging.LOOSE, ("one", "two", "three", "four"))
    aging.prune(made)
    # Four is what `latest` means, three the last good one beside it; the rule keeps one.
    assert aging.versions(made) == [3, 4]
    assert scenes.events(made, BASE).count(Event.PRUNED) == 2


def test_what_may_be_in_use_stays_also_after_a_deletion() -> None:
    made = _deleted_base({"keep": 1, "keepInUse": True}, ("one", "two", "three"))
    aging.prune(made)
    assert aging.versions(made) == [1, 2, 3]
    plan = made.factory.retention.of_image(BASE)
    assert {reason.by for reason in plan.steps[0].reasons} == {KeepRule.USE_UNKNOWN}
    (listed,) = made.factory.retention.page("", 10).plans
    assert listed == plan


def test_a_registration_between_two_steps_of_retention_wins() -> None:
    made = _deleted_base(aging.LOOSE, ("one", "two", "three", "four"))
    plan = made.factory.retention.of_image(BASE)
    assert [step.removal for step in plan.steps].count(Removal.EXCLUDE) == 2
    made.register("rhel9-base", None, text="five")
    pruner = made.factory.pruner
    with pytest.raises(NotFound, match="registered again"):
        pruner.plans.again(plan)
    aging.next_round(made, timedelta(0))
    assert scenes.head(made, BASE).last_version is not None


def test_the_look_at_deleted_images_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline_core.services.upkeep.galleries._DELETED", 1)
    made = scenes.settled({"rhel9-base": None})
    api = Api(made)
    for name in ("app-a", "app-b"):
        api.register("payments", name, "rhel9-base")
        api.delete("payments", name)
        _lose_versions(made, ImageName(name))
    made.factory.galleries.observe()
    assert [_former(made, ImageName(name)).unseen_since is None for name in ("app-a", "app-b")] == [
        False,
        True,
    ]
    made.factory.galleries.observe()
    assert _former(made, ImageName("app-b")).unseen_since is not None


def test_a_row_that_a_dead_registration_left_is_removed_while_the_image_cannot_be_deleted(api: Api) -> None:
    store = ReservedNameStore(api.made.ports.tables)
    assert api.register("payments", "pay-tmp", "rhel9-base").status_code == 201
    store.add(APP)
    api.made.factory.names.look(APP)
    assert store.names(limit=10) == ["pay-tmp"]
    stored = scenes.images(api.made).get_head(APP)
    current = stored.value.current
    assert current is not None
    active = ActiveBuild(build=current.build, fingerprint=current.fingerprint, phase=Phase.BUILDING)
    running = replace(stored.value, active=active)
    scenes.images(api.made).commit([records.put_head(running, etag=stored.etag)])
    api.made.factory.names.look(APP)
    assert store.names(limit=10) == []


def test_the_number_of_the_next_version_goes_on(api: Api) -> None:
    before = _former(api.made).last_version
    api.register("payments", "pay-tmp", "rhel9-base", "changed")
    current = scenes.head(api.made, APP).current
    assert isinstance(before, GalleryVersion)
    assert current is not None
    assert current.version > before
