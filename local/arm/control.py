"""The controls of the emulator under `/_control`, for tests and the runner. Azure has nothing like them.

A request must show the secret of the run, which only `arm.json` holds: other users of this machine, pages in a browser
and containers must not be able to mint tokens.
"""

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.arm.compute.networks import MACHINE
from local.arm.containers.groups import ContainerGroupService
from local.arm.event_grid import EventGrid
from local.arm.faults import InjectedFault
from local.arm.galleries.galleries import VERSION
from local.arm.galleries.marketplace import MarketplaceService
from local.arm.gate import Checks
from local.arm.identity.rights import Grant
from local.arm.storage.front import SERVICES, StorageFronts
from local.arm.storage.roles import StorageRole
from local.arm.store import Store
from local.arm.vault import Vault
from local.arm.wire import ArmError, Json
from local.guest.guests import Guests
from pipeline_core.domain import azure_codes

CONTROL_HEADER: Final = "X-Control-Secret"
Endpoint = Callable[[Request], Awaitable[Response]]
# A fault with a code that `azure_code_table` does not know says so: a mistyped code would test nothing.
_UNKNOWN: Final = "unknown_code"


class Control:
    """What the routes under `/_control` do."""

    def __init__(
        self,
        checks: Checks,
        *,
        store: Store,
        marketplace: MarketplaceService,
        containers: ContainerGroupService,
        vault: Vault,
        events: EventGrid,
        guests: Guests,
        storage: StorageFronts,
    ) -> None:
        self._tokens, self._rights = checks.tokens, checks.rights
        self._faults, self._counts, self._policy = checks.faults, checks.counts, checks.policy
        self._store, self._marketplace, self._containers = store, marketplace, containers
        self._vault, self._events, self._guests, self._storage = vault, events, guests, storage

    def app(self, secret: str) -> Starlette:
        """The application that serves them, to a caller that shows `secret`."""

        def route(method: str, path: str, endpoint: Endpoint) -> Route:
            return Route(f"/_control/{path}", _guarded(endpoint, secret), methods=[method])

        return Starlette(
            routes=[
                route("POST", "tokens", self._mint),
                route("POST", "marketplace", self._publish),
                route("DELETE", "marketplace", self._withdraw),
                route("POST", "marketplace/deprecate", self._deprecate),
                route("POST", "marketplace-terms", self._set_terms),
                route("POST", "tag-policy", self._demand_tag),
                route("POST", "faults", self._add_faults),
                route("DELETE", "faults", self._clear_faults),
                route("POST", "rights", self._grant),
                route("POST", "storage", self._put_storage_behind),
                route("POST", "storage-roles", self._grant_storage),
                route("GET", "storage-refusals", self._refusals),
                route("POST", "secrets", self._set_secret),
                route("POST", "event-grid", self._subscribe),
                route("DELETE", "event-grid", self._unsubscribe),
                route("GET", "requests", self._requests),
                route("POST", "reset-counts", self._reset),
                route("GET", "state", self._state),
                route("GET", "guests", self._asked),
            ]
        )

    async def _mint(self, request: Request) -> Response:
        body = await _body(request)
        token = self._tokens.mint_person(
            str(body["subject"]),
            str(body["audience"]),
            [str(each) for each in body.get("roles", [])],
            [str(each) for each in body.get("groups", [])],
            int(body.get("seconds", 3600)),
            name=str(body.get("name", "")),
            is_id_token=body.get("is_id_token") is True,
        )
        return JSONResponse({"access_token": token, "token_type": "Bearer", "issuer": self._tokens.issuer})

    async def _publish(self, request: Request) -> Response:
        body = await _body(request)
        self._marketplace.publish(
            body["publisher"],
            body["offer"],
            body["sku"],
            body["version"],
            sku_facts=body.get("sku_facts") or {},
            version_facts=body.get("version_facts") or {},
        )
        return JSONResponse(body, status_code=201)

    async def _withdraw(self, request: Request) -> Response:
        body = await _body(request)
        self._marketplace.withdraw(body["publisher"], body["offer"], body["sku"], body["version"])
        return Response(status_code=204)

    async def _deprecate(self, request: Request) -> Response:
        body = await _body(request)
        names = (body["publisher"], body["offer"], body["sku"], body["version"])
        self._marketplace.deprecate(*names, str(body.get("at", "")))
        return Response(status_code=204)

    async def _set_terms(self, request: Request) -> Response:
        body = await _body(request)
        plan = (body["publisher"], body["product"], body["name"])
        self._marketplace.set_terms(*plan, accepted=bool(body["accepted"]))
        return Response(status_code=204)

    async def _demand_tag(self, request: Request) -> Response:
        self._policy.demand(str((await _body(request))["tag"]))
        return Response(status_code=204)

    async def _add_faults(self, request: Request) -> Response:
        given = json.loads(await request.body())
        for each in given if isinstance(given, list) else [given]:
            rest = {
                key: value for key, value in each.items() if key not in ("path_regex", "method", _UNKNOWN)
            }
            code = str(rest.get("code", ""))
            if code and not each.get(_UNKNOWN) and not azure_codes.is_known(code):
                raise ValueError(f"{code} is not a code of the table: add it there, or say {_UNKNOWN}: true")
            method = str(each.get("method", "*")).upper()
            self._faults.add(
                InjectedFault(method=method, path=re.compile(each["path_regex"], re.IGNORECASE), **rest)
            )
        return Response(status_code=204)

    async def _clear_faults(self, request: Request) -> Response:
        self._faults.clear()
        return Response(status_code=204)

    async def _grant(self, request: Request) -> Response:
        body = await _body(request)
        actions, only_read = tuple(body["actions"]), tuple(body.get("only_read", ()))
        self._rights.add(Grant(client_id=body["client_id"], actions=actions, only_read=only_read))
        return Response(status_code=204)

    async def _put_storage_behind(self, request: Request) -> Response:
        body = await _body(request)
        return JSONResponse(self._storage.put_behind({name: str(body[name]) for name in SERVICES}))

    async def _grant_storage(self, request: Request) -> Response:
        body = await _body(request)
        self._storage.roles.add(
            StorageRole(client_id=str(body["client_id"]), name=str(body["role"]), scope=str(body["scope"]))
        )
        return Response(status_code=204)

    async def _refusals(self, request: Request) -> Response:
        return JSONResponse([*self._storage.blob.refused, *self._storage.queue.refused])

    async def _set_secret(self, request: Request) -> Response:
        body = await _body(request)
        self._vault.set(str(body["name"]), str(body["value"]), str(body.get("content_type") or ""))
        return Response(status_code=204)

    async def _subscribe(self, request: Request) -> Response:
        await self._events.subscribe(str((await _body(request))["endpoint"]))
        return Response(status_code=204)

    async def _unsubscribe(self, request: Request) -> Response:
        self._events.unsubscribe()
        return Response(status_code=204)

    async def _requests(self, request: Request) -> Response:
        return JSONResponse(self._counts.shown())

    async def _reset(self, request: Request) -> Response:
        self._counts.reset()
        return Response(status_code=204)

    async def _state(self, request: Request) -> Response:
        resources = self._store.all()
        by_type: dict[str, list[str]] = {}
        for resource in resources:
            by_type.setdefault(resource.type, []).append(resource.id)
        shown: Json = {
            "container_groups": self._containers.live(),
            "machines": by_type.get(MACHINE, []),
            "versions": by_type.get(VERSION, []),
            "resources": by_type,
            "events": {"delivered": self._events.delivered, "dropped": self._events.dropped},
        }
        return JSONResponse(shown)

    async def _asked(self, request: Request) -> Response:
        """The requests that each emulated machine got over SSH, in order."""
        return JSONResponse(self._guests.shown())


async def _body(request: Request) -> dict[str, Any]:
    body = json.loads(await request.body())
    if not isinstance(body, dict):
        raise TypeError("the body is not an object")
    return body


def _guarded(endpoint: Endpoint, secret: str) -> Endpoint:
    async def guarded(request: Request) -> Response:
        if not secrets.compare_digest(request.headers.get(CONTROL_HEADER, "").encode(), secret.encode()):
            text = f"the header {CONTROL_HEADER} must be control_secret of arm.json"
            return JSONResponse({"error": {"code": "ControlForbidden", "message": text}}, status_code=403)
        try:
            return await endpoint(request)
        except ArmError as error:
            return JSONResponse(error.answer().body, status_code=error.status)
        except (KeyError, TypeError, ValueError, re.error) as error:
            text = f"{request.method} {request.url.path}: the body is wrong: {error!r}"
            return JSONResponse({"error": {"code": "BadControl", "message": text}}, status_code=400)

    return guarded
