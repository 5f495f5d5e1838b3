"""Asynchronous operations: one shared mechanism for every service, with ARM's headers and bodies.

A service starts an operation with its work. A client asks for the operation at its own address: at
`Azure-AsyncOperation` (a status document) or at `Location` (202 until the work is done).
"""

import asyncio
import sys
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from local.arm.wire import ArmAnswer, ArmError, ArmRoute, Call, Json

_HOLD_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 0.005
_DEPLOYMENT: Final = (
    "/subscriptions/{subscription}/resourceGroups/{group}"
    "/providers/Microsoft.Resources/deployments/{deployment}"
)
FindRoute = Callable[[str, str], tuple[ArmRoute, Mapping[str, str]] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation and its outcome."""

    id: str
    started: datetime
    call: Call
    ended: datetime | None = None
    error: ArmError | None = None

    @property
    def status(self) -> str:
        """InProgress, Succeeded or Failed."""
        if self.ended is None:
            return "InProgress"
        return "Failed" if self.error else "Succeeded"


class Operations:
    """Operations by id, and the tasks that do their work."""

    def __init__(self, *, retry_after: int = 1) -> None:
        self._retry_after = str(retry_after)  # whole seconds; Azure says 10 to 60
        # With 0 a client asks again at once, without end. So each of its requests waits for a moment.
        self._hold = _HOLD_SECONDS if retry_after == 0 else 0.0
        self._operations: dict[str, Operation] = {}
        self._find_route: FindRoute = lambda _method, _path: None
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self,
        call: Call,
        provider: str,
        location: str,
        work: Coroutine[Any, Any, None],
        *,
        below: str = "",
    ) -> dict[str, str]:
        """Run `work` to its end in the background. Returns the headers with the address for the caller's next request.

        The address is below the provider's location or, if given, below the path `below` of a resource.
        """
        operation = Operation(id=str(uuid.uuid4()), started=datetime.now(UTC), call=call)
        self._operations[operation.id] = operation
        self.run(self._follow(operation.id, work))
        subscription = call.names["subscription"]
        folder = (
            f"{call.base}/subscriptions/{subscription}/providers/{provider}/locations/{location or 'global'}"
        )
        version = f"api-version={call.api_version}"
        if below:
            asked = f"{call.base}{below}/operationStatuses/{operation.id}?{version}"
            return {"Azure-AsyncOperation": asked, "Retry-After": self._retry_after}
        return {
            "Azure-AsyncOperation": f"{folder}/operations/{operation.id}?{version}",
            "Location": f"{folder}/operationResults/{operation.id}?{version}",
            "Retry-After": self._retry_after,
        }

    def begin_deletion(self, call: Call, work: Coroutine[Any, Any, None]) -> dict[str, str]:
        """The same for a deployment's deletion, which has only a `Location`."""
        asked = self.begin(call, "Microsoft.Resources", "", work)["Location"]
        folder = f"{call.base}/subscriptions/{call.names['subscription']}/operationresults"
        return {"Location": f"{folder}/{asked.rsplit('/', 1)[1]}", "Retry-After": self._retry_after}

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in the background. The emulator's stop cancels it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def read_with(self, find_route: FindRoute) -> None:
        """From now on `operationResults` of a finished PUT or PATCH show what a GET by these routes shows."""
        self._find_route = find_route

    async def close(self) -> None:
        """Cancel all work that still runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def routes(self) -> list[ArmRoute]:
        """The routes of operations."""
        folder = "/subscriptions/{subscription}/providers/{provider}/locations/{location}"
        return [
            ArmRoute("GET", f"{folder}/operations/{{operation}}", self._show),
            ArmRoute("GET", f"{folder}/operationResults/{{operation}}", self._result),
            ArmRoute("GET", "/subscriptions/{subscription}/operationresults/{operation}", self._result),
            ArmRoute("GET", f"{_DEPLOYMENT}/operationStatuses/{{operation}}", self._show),
        ]

    async def _follow(self, operation: str, work: Coroutine[Any, Any, None]) -> None:
        error: ArmError | None = None
        try:
            await work
        except ArmError as failure:
            error = failure
        except Exception as failure:
            print(f"arm emulator: operation {operation} broke: {failure!r}", file=sys.stderr, flush=True)
            error = ArmError(500, "InternalServerError", f"the emulator broke: {failure!r}")
        before = self._operations[operation]
        self._operations[operation] = replace(before, ended=datetime.now(UTC), error=error)

    def _find(self, call: Call) -> Operation:
        found = self._operations.get(call.names["operation"])
        if found is None:
            raise ArmError(404, "NotFound", f"The operation '{call.names['operation']}' was not found.")
        return found

    async def _held(self, call: Call) -> Operation:
        end = time.monotonic() + self._hold
        while (operation := self._find(call)).ended is None and time.monotonic() < end:
            await asyncio.sleep(_LOOK_SECONDS)
        return operation

    async def _show(self, call: Call) -> ArmAnswer:
        operation = await self._held(call)
        body: Json = {
            "id": call.path,
            "name": operation.id,
            "status": operation.status,
            "startTime": operation.started.isoformat(),
        }
        if operation.ended is None:
            return ArmAnswer(body=body, headers={"Retry-After": self._retry_after})
        body["endTime"] = operation.ended.isoformat()
        if operation.error:
            body["error"] = operation.error.body()
        return ArmAnswer(body=body)

    async def _result(self, call: Call) -> ArmAnswer:
        operation = await self._held(call)
        if operation.ended is None:
            again = {
                "Location": f"{call.base}{call.path}?api-version={call.api_version}",
                "Retry-After": self._retry_after,
            }
            return ArmAnswer(status=202, headers=again)
        if operation.error:
            raise operation.error
        return await self._read_again(operation.call)

    async def _read_again(self, call: Call) -> ArmAnswer:
        """What a finished request would have answered at once.

        rpc, async-api-reference.md, and *Track asynchronous Azure operations*: the resource with 200 after a PUT or a
        PATCH, 204 after a deletion or an action without an answer.
        """
        found = self._find_route("GET", call.path) if call.method in ("PUT", "PATCH") else None
        if found is None:
            return ArmAnswer(status=204)
        route, names = found
        answer = route.endpoint(replace(call, method="GET", names=names, content=b""))
        return answer if isinstance(answer, ArmAnswer) else await answer
