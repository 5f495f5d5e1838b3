"""Every cell of the table of rights, asked over HTTP of the real services: allowed, or refused and without effect."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.domain import access, access_table
from pipeline_core.domain.access_table import ApiOperation, CallerStanding, Cell, SubjectKind
from pipeline_core.domain.names import ImageName, TeamName
from pipeline_core.domain.receivers import FleetReceiver, ReceiverId
from pipeline_core.ports import Principal
from simulation import fleet, world
from simulation.world import SimulatedWorld
from tests.unit.triggers.asgi_client import AsgiClient
from triggers.api.app import create_app, routes_of
from triggers.api.authentication import OPEN_PATHS
from triggers.api.preconditions import quoted

SECOPS, PAYMENTS, OTHER = TeamName("secops"), TeamName("payments"), TeamName("ml")
NAMES = {SubjectKind.BASE: "rhel9-base", SubjectKind.TEAM_IMAGE: "payments-api"}
OWNERS = {SubjectKind.BASE: SECOPS, SubjectKind.TEAM_IMAGE: PAYMENTS, SubjectKind.FACTORY: None}
HOOK = "https://hooks.factory.corp/x"
BUNDLE, CONTENT = fleet.bundle("content")
STALE = {"If-Match": quoted("stale")}
REASON = {"json": {"reason": "a test"}}
WAIVER = {"rule": "nobody_asked", "reason": "a test"}


@dataclass(slots=True, kw_only=True)
class Fleet:
    """A base and a team's image, current, each with a receiver, a build and a closed poison record; and SecOps' own."""

    made: SimulatedWorld
    client: AsgiClient
    builds: dict[SubjectKind, str] = field(default_factory=dict)
    versions: dict[SubjectKind, str] = field(default_factory=dict)
    poison: dict[SubjectKind, str] = field(default_factory=dict)
    receivers: dict[SubjectKind, str] = field(default_factory=dict)

    def rows(self) -> dict[tuple[str, str, str], str]:
        """Every row with its ETag, but for the count of a caller's changes: a refused change counts too."""
        tables = self.made.ports.tables
        return {
            (table, row.partition, row.key): row.etag
            for table in ("images", "index", "capacity")
            for row in tables.rows(table)
            if row.partition != "rates"
        }


@pytest.fixture(scope="module")
def asked() -> Fleet:
    made = world.make()
    hook = [{"webhook": HOOK, "events": ["build.failed"]}]
    made.register("rhel9-base", None, notify=hook)
    made.register("payments-api", "rhel9-base", team="payments", notify=hook)
    made.drain()
    found = Fleet(made=made, client=AsgiClient(create_app(lambda: made.factory)))
    for kind, name in NAMES.items():
        head = made.base.records.images.get_head(ImageName(name)).value
        assert head.current is not None
        found.builds[kind], found.versions[kind] = str(head.current.build), str(head.current.version)
        found.receivers[kind] = str(ReceiverId.of(HOOK, OWNERS[kind]))
        made.parts.notify.receivers.fanout.ensure(ReceiverId(found.receivers[kind]), HOOK)
    made.factory.receivers.add(FleetReceiver(url=HOOK, bases=True), world.ADMIN)
    found.receivers[SubjectKind.FACTORY] = str(ReceiverId.of(HOOK, None))
    for kind in SubjectKind:
        text = "garbage"
        if kind in NAMES:
            text = f'{{"v": 1, "image": "{NAMES[kind]}", "reason": "x", "campaign": "c"}}'
        made.factory.poison.record("rebuild-requests", text)
        page = made.factory.poison_review.page(world.ADMIN)
        about = NAMES.get(kind, "")
        found.poison[kind] = next(each.key for each in page.records if str(each.image or "") == about)
        made.factory.poison_review.dismiss(found.poison[kind], world.ADMIN)
    made.drain()
    for standing in CallerStanding:
        for kind in SubjectKind:
            made.ports.tokens.grant(f"{standing.value}/{kind.value}", principal(standing, kind))
    return found


def principal(standing: CallerStanding, kind: SubjectKind) -> Principal:
    """A caller who has this standing towards what this kind stands for, and no other."""
    roles = {CallerStanding.SECOPS: {access.ADMIN}, CallerStanding.READER: {access.READER}}.get(
        standing, set[str]()
    )
    owner = OWNERS[kind]
    teams = {CallerStanding.OWNER: {owner} if owner else set(), CallerStanding.TEAM: {OTHER}}.get(
        standing, set()
    )
    return Principal(
        subject=f"{standing.value}-{kind.value}",
        name=standing.value,
        roles=frozenset(roles),
        teams=frozenset(teams),
    )


Ask = Callable[[Fleet, SubjectKind], tuple[str, str, dict[str, Any]]]


def _get(path: str, **arguments: Any) -> Ask:
    return lambda fleet, kind: ("GET", _filled(path, fleet, kind), arguments)


def _send(method: str, path: str, **arguments: Any) -> Ask:
    return lambda fleet, kind: (method, _filled(path, fleet, kind), arguments)


def _filled(path: str, fleet: Fleet, kind: SubjectKind) -> str:
    return path.format(
        image=NAMES.get(kind, ""),
        build=fleet.builds.get(kind, ""),
        version=fleet.versions.get(kind, ""),
        poison=fleet.poison[kind],
        receiver=fleet.receivers[kind],
    )


def _register(fleet: Fleet, kind: SubjectKind) -> tuple[str, str, dict[str, Any]]:
    document = _DOCUMENTS[kind]
    body = {"document": document, "bundle": str(BUNDLE)}
    return "PUT", f"/api/images/{NAMES[kind]}", {"json": body, "headers": STALE}


_DOCUMENTS = {
    SubjectKind.BASE: fleet.document("rhel9-base", None),
    SubjectKind.TEAM_IMAGE: fleet.document("payments-api", "rhel9-base", team="payments"),
}


def _compare(path: str) -> Ask:
    def ask(fleet: Fleet, kind: SubjectKind) -> tuple[str, str, dict[str, Any]]:
        version = fleet.versions[kind]
        return "GET", _filled(path, fleet, kind), {"params": {"from": version, "to": version}}

    return ask


_O = ApiOperation
# How each operation is asked, and what a caller gets who may. A status of 4xx comes after the check of the right: what
# is asked for is stale, closed or missing, so that asking changes nothing for the cells that follow.
ASKED: dict[ApiOperation, tuple[Ask, int]] = {
    _O.CHECK_HEALTH: (_get("/api/health"), 200),
    _O.READ_OPENAPI: (_get("/api/openapi.json"), 200),
    _O.LIST_IMAGES: (_get("/api/images"), 200),
    _O.SHOW_IMAGE: (_get("/api/images/{image}"), 200),
    _O.LIST_BUILDS: (_get("/api/images/{image}/builds"), 200),
    _O.LIST_JOURNAL: (_get("/api/images/{image}/journal"), 200),
    _O.SHOW_BUILD: (_get("/api/builds/{build}"), 200),
    _O.SHOW_LINEAGE: (_get("/api/lineage"), 200),
    _O.LIST_EVIDENCE: (_get("/api/builds/{build}/evidence"), 200),
    _O.READ_EVIDENCE: (_get("/api/builds/{build}/evidence/verify-1/goss.json"), 404),
    _O.READ_SBOM: (_get("/api/images/{image}/versions/{version}/sbom"), 404),
    _O.COMPARE_VERSIONS: (_compare("/api/images/{image}/diff"), 404),
    _O.SHOW_PROVENANCE: (_get("/api/images/{image}/versions/{version}/provenance"), 200),
    _O.LIST_KEYS: (_get("/api/provenance/keys"), 200),
    _O.SHOW_RETENTION: (_get("/api/images/{image}/retention"), 200),
    _O.LIST_RETENTION: (_get("/api/retention"), 200),
    _O.LIST_VERSIONS: (_get("/api/images/{image}/versions"), 200),
    _O.LIST_NAMES: (_get("/api/names"), 200),
    _O.SHOW_GALLERIES: (_get("/api/galleries"), 200),
    _O.SHOW_POLICY: (_get("/api/policy"), 404),
    _O.LIST_POLICY_VERSIONS: (_get("/api/policy/versions"), 200),
    _O.SHOW_POLICY_VERSION: (_get("/api/policy/versions/1"), 404),
    _O.LIST_APPROVALS: (_get("/api/approvals"), 200),
    _O.LIST_BASES: (_get("/api/bases?team=ml"), 200),
    _O.LIST_WAIVERS: (_get("/api/waivers"), 200),
    _O.LIST_SOURCES: (_get("/api/sources"), 200),
    _O.LIST_OUTAGES: (_get("/api/outages"), 200),
    _O.SHOW_PAUSE: (_get("/api/pause"), 200),
    _O.LIST_UNREADABLE: (_get("/api/state/unreadable"), 200),
    _O.LIST_RECEIVERS: (_get("/api/receivers"), 200),
    _O.GET_RECEIVER: (_get("/api/receivers/{receiver}"), 200),
    _O.LIST_POISON: (_get("/api/poison"), 200),
    _O.LIST_TOOLS: (_get("/api/platform/tools"), 200),
    _O.SHOW_FLEET: (_get("/"), 200),
    _O.SHOW_DIFF: (_compare("/images/{image}/diff"), 404),
    _O.SHOW_POISON: (_get("/poison"), 200),
    _O.SHOW_STYLE: (_get("/static/style.css"), 200),
    _O.STORE_BUNDLE: (_send("PUT", f"/api/bundles/{BUNDLE}", content=CONTENT), 200),
    _O.REGISTER_IMAGE: (_register, 412),
    _O.UNREGISTER_IMAGE: (_send("DELETE", "/api/images/{image}", headers=STALE), 412),
    _O.REQUEST_BUILD: (_send("POST", "/api/images/{image}/builds", json={}), 202),
    _O.CANCEL_BUILD: (_send("POST", "/api/builds/{build}/cancel", json={}), 409),
    _O.INCLUDE_VERSION: (_send("POST", "/api/images/{image}/versions/{version}/include", **REASON), 200),
    # The team that owns it needs no approval (422), and nobody withheld it (404).
    _O.WITHDRAW_APPROVAL: (
        _send("POST", f"/api/images/{{image}}/approvals/{PAYMENTS}/withdraw", **REASON),
        422,
    ),
    _O.OFFER_PARENT: (_send("POST", f"/api/images/{{image}}/approvals/{PAYMENTS}/offer", **REASON), 404),
    _O.REQUEUE_POISON: (_send("POST", "/api/poison/{poison}/requeue"), 409),
    _O.DISMISS_POISON: (_send("DELETE", "/api/poison/{poison}"), 204),
    _O.ROTATE_SECRET: (_send("POST", "/api/receivers/{receiver}/secret"), 200),
    _O.DISABLE_RECEIVER: (_send("POST", "/api/receivers/{receiver}/disable", **REASON), 200),
    _O.ENABLE_RECEIVER: (_send("POST", "/api/receivers/{receiver}/enable", json={}), 200),
    _O.REPLAY_RECEIVER: (_send("POST", "/api/receivers/{receiver}/replay", json={}), 200),
    _O.TEST_RECEIVER: (_send("POST", "/api/receivers/{receiver}/test"), 200),
    _O.APPROVE_PARENT: (_send("PUT", "/api/images/{image}/approvals/payments", **REASON), 422),
    _O.GRANT_WAIVER: (
        _send("PUT", "/api/images/{image}/waivers", json=WAIVER | {"until": "2027-01-31"}),
        404,
    ),
    _O.WITHDRAW_WAIVER: (_send("POST", "/api/images/{image}/waivers/withdraw", json=WAIVER), 404),
    _O.ADD_FLEET_RECEIVER: (_send("POST", "/api/receivers", json={"webhook": HOOK, "bases": True}), 200),
    _O.REMOVE_FLEET_RECEIVER: (_send("DELETE", "/api/receivers/{receiver}"), 204),
    _O.PUT_PLATFORM: (_send("PUT", "/api/platform", json={"bundle": "ab" * 32, "catalog": {}}), 422),
    _O.SHOW_PLATFORM: (_send("GET", "/api/platform"), 200),
    _O.PLAN_PLATFORM: (
        _send("POST", "/api/platform/plan", json={"bundle": "ab" * 32, "catalog": {}}),
        422,
    ),
    _O.PROMOTE_TRIAL: (_send("POST", "/api/platform/promote", json={"bundle": "ab" * 32}), 404),
    _O.END_TRIAL: (_send("POST", "/api/platform/end-trial", json={"bundle": "ab" * 32}), 404),
    _O.SUBMIT_TOOL: (_send("POST", f"/api/platform/tools/{'ef' * 32}"), 200),
    _O.REMOVE_TOOL: (_send("POST", f"/api/platform/tools/{'cd' * 32}/remove", **REASON), 404),
    _O.PUT_POLICY: (_send("PUT", "/api/policy", json={"document": {}}, headers=STALE), 404),
    _O.ACCEPT_RELEASE: (
        _send(
            "POST",
            "/api/sources/a:b:c:westeurope/accept",
            json={"release": "9.6.2025112113", "reason": "gone"},
        ),
        404,
    ),
    _O.ACCEPT_GALLERIES: (_send("POST", "/api/galleries/accept", **REASON), 200),
    _O.HAND_OVER_NAME: (
        _send("POST", "/api/names/nobody-had-it/handover", json={"to": "payments", "reason": "asked"}),
        404,
    ),
    _O.SHARE_BUNDLE: (
        _send("POST", f"/api/bundles/{'cd' * 32}/share", json={"to": "payments", "reason": "asked"}),
        404,
    ),
    _O.RETRY: (_send("POST", "/api/outages/retry", json={"class": "registry"}), 200),
    _O.PAUSE_FACTORY: (_send("PUT", "/api/pause", **REASON), 200),
    _O.RESUME_FACTORY: (_send("POST", "/api/resume", json={}), 200),
    _O.REBUILD_STATE: (_send("POST", "/api/state/rebuild", json={}), 409),
}
_BY_RECORD = (
    _O.LIST_POISON,
    _O.SHOW_POISON,
)  # the page answers everybody with a role, and shows what one may see


def expected(cell: Cell) -> bool:
    """What DESIGN 9 promises, in words of its own: this must not be read from the table."""
    name = cell.operation.value
    if name in ("check_health", "openapi"):
        return True
    if name == "offer_parent":
        return cell.standing is CallerStanding.OWNER
    if cell.standing in (CallerStanding.SECOPS, CallerStanding.NOBODY):
        return cell.standing is CallerStanding.SECOPS
    if cell.operation in _BY_RECORD:
        return cell.standing in (CallerStanding.READER, CallerStanding.OWNER)
    if name.startswith(("list_", "show_", "read_", "get_", "compare_")):
        return True
    if cell.standing is CallerStanding.READER:
        return False
    if name == "store_bundle":
        return True
    if name in ("approve_parent", "grant_waiver", "withdraw_waiver"):
        return False
    return cell.standing is CallerStanding.OWNER and cell.kind is SubjectKind.TEAM_IMAGE


def wrongs(fleet: Fleet, cell: Cell, headers: dict[str, str], refused: int) -> Iterator[str]:
    """What is wrong about one cell for a caller with these headers; `refused` is the status of a refusal."""
    where = f"{cell.operation.value} of {cell.kind.value} by {cell.standing.value}"
    ask, status = ASKED[cell.operation]
    method, path, arguments = ask(fleet, cell.kind)
    before = fleet.rows()
    merged = {**arguments, "headers": {**arguments.get("headers", {}), **headers}}
    fleet.made.ports.clock.advance(timedelta(seconds=1))  # no caller asks for more than the usual limit
    answer = fleet.client.request(method, path, **merged)
    is_allowed = answer.status_code == status
    if cell.operation in _BY_RECORD and is_allowed:
        is_allowed = fleet.poison[cell.kind] in answer.text
    elif not is_allowed and answer.status_code != refused:
        yield f"{where}: {answer.status_code} {answer.text[:200]}"
    if is_allowed is not expected(cell):
        yield f"{where}: {'allowed' if is_allowed else 'refused'}, and DESIGN says otherwise"
    if is_allowed is not cell.is_allowed:
        yield f"{where}: {'allowed' if is_allowed else 'refused'}, and the table says otherwise"
    if not is_allowed and fleet.rows() != before:
        yield f"{where}: it was refused and has changed something"


def test_every_cell_of_the_table_holds_over_http(asked: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    cells = list(access_table.cells())
    wrong: list[str] = []
    for cell in cells:
        token = f"{cell.standing.value}/{cell.kind.value}"
        wrong += wrongs(asked, cell, {"Authorization": f"Bearer {token}"}, 403)
        if cell.standing is CallerStanding.NOBODY:
            wrong += wrongs(asked, cell, {}, 401)
    with capsys.disabled():
        print(f"\n{len(cells)} cells, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
    assert len(cells) > 300


def test_every_route_is_an_operation_of_the_table() -> None:
    routes = routes_of(lambda: None)  # type: ignore[arg-type,return-value]
    others = {operation.value for operation in ApiOperation} - {route.name for route in routes}
    assert others == {ApiOperation.READ_OPENAPI.value}
    assert {route.name for route in routes} <= {operation.value for operation in ApiOperation}
    open_paths = {route.path for route in routes if access.is_open(ApiOperation(route.name))}
    assert open_paths | {"/api/openapi.json"} == OPEN_PATHS


def test_a_route_that_the_table_does_not_know_reaches_nobody(asked: Fleet) -> None:
    app = create_app(lambda: asked.made.factory)
    reached: list[str] = []
    app.add_api_route("/api/new", lambda: reached.append("x"), name="new_route")
    answer = AsgiClient(app).get("/api/new", headers={"Authorization": "Bearer SecOps/base"})
    assert (answer.status_code, reached) == (500, [])


def test_the_walk_asks_every_operation() -> None:
    assert set(ASKED) == set(ApiOperation)
