"""Asynchronous operations: one shared mechanism for every service, with ARM's headers and bodies.

A service starts an operation with the work that ends it; the operation is asked at its own address, by
`Azure-AsyncOperation` (a status document) or `Location` (202 until done).
"""

import asyncio
import sys
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from local.arm.wire import Answer, ArmError, Call, Json, Route


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation and how it went."""

    id: str
    started: datetime
    ended: datetime | None = None
    error: ArmError | None = None

    @property
    def status(self) -> str:
        """InProgress, Succeeded or Failed."""
        if self.ended is None:
            return "InProgress"
        return "Failed" if self.error else "Succeeded"


class Operations:
    """Operations by id, and the tasks that end them."""

    def __init__(self, *, retry_after: int = 1) -> None:
        self._retry_after = str(retry_after)  # whole seconds; Azure says 10 to 60
        self._operations: dict[str, Operation] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self, call: Call, provider: str, location: str, work: Coroutine[Any, Any, None]
    ) -> dict[str, str]:
        """Run `work` to its end in the background; the headers that tell the caller where to ask."""
        operation = Operation(id=str(uuid.uuid4()), started=datetime.now(UTC))
        self._operations[operation.id] = operation
        self.run(self._follow(operation.id, work))
        subscription = call.names["subscription"]
        folder = (
            f"{call.base}/subscriptions/{subscription}/providers/{provider}/locations/{location or 'global'}"
        )
        version = f"api-version={call.api_version}"
        return {
            "Azure-AsyncOperation": f"{folder}/operations/{operation.id}?{version}",
            "Location": f"{folder}/operationResults/{operation.id}?{version}",
            "Retry-After": self._retry_after,
        }

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in the background; it is cancelled when the emulator stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel what still runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def routes(self) -> list[Route]:
        """Where operations are asked."""
        folder = "/subscriptions/{subscription}/providers/{provider}/locations/{location}"
        return [
            Route("GET", f"{folder}/operations/{{operation}}", self._show),
            Route("GET", f"{folder}/operationResults/{{operation}}", self._result),
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

    def _show(self, call: Call) -> Answer:
        operation = self._find(call)
        body: Json = {
            "id": call.path,
            "name": operation.id,
            "status": operation.status,
            "startTime": operation.started.isoformat(),
        }
        if operation.ended is None:
            return Answer(body=body, headers={"Retry-After": self._retry_after})
        body["endTime"] = operation.ended.isoformat()
        if operation.error:
            body["error"] = {"code": operation.error.code, "message": operation.error.message}
        return Answer(body=body)

    def _result(self, call: Call) -> Answer:
        operation = self._find(call)
        if operation.ended is None:
            again = {
                "Location": f"{call.base}{call.path}?api-version={call.api_version}",
                "Retry-After": self._retry_after,
            }
            return Answer(status=202, headers=again)
        if operation.error:
            raise operation.error
        return Answer(status=204)
