"""Writes the bodies of requests to a file, for tests that judge what clients send. Only if an option asks for it.

A line is a JSON object: method, path, api_version, agent (the client's own name), status (of the answer), body. What a
body holds in confidence is replaced, and headers with their tokens are never written.
"""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from local.arm.wire import ArmAnswer, ArmError, Call

REDACTED: Final = "redacted"
_METHODS: Final = frozenset({"PUT", "PATCH", "POST"})
# Keys of ARM bodies, in lower case, whose values are secrets or may hold one.
_SECRET: Final = frozenset({"adminpassword", "customdata", "password", "securevalue", "userdata"})

Answering = Callable[[Call], Awaitable[ArmAnswer]]


def recording(answering: Answering, file: Path | None) -> Answering:
    """The same answers; each body that was sent to ARM is appended to `file` as one line, if there is a file."""
    if file is None:
        return answering

    async def answer(call: Call) -> ArmAnswer:
        try:
            given = await answering(call)
        except ArmError as error:
            _record(call, error.status, file)
            raise
        _record(call, given.status, file)
        return given

    return answer


def _record(call: Call, status: int, file: Path) -> None:
    if call.method not in _METHODS or not call.path.lower().startswith("/subscriptions/") or not call.content:
        return
    line = {
        "method": call.method,
        "path": call.path,
        "api_version": call.api_version,
        "agent": call.headers.get("user-agent", "").split(" ")[0],
        "status": status,
        "body": without_secrets(call.json()),
    }
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def without_secrets(value: Any) -> Any:
    """The same JSON; values of secret keys are replaced, whatever they are."""
    if isinstance(value, dict):
        return {
            key: REDACTED if key.lower() in _SECRET else without_secrets(each) for key, each in value.items()
        }
    return [without_secrets(each) for each in value] if isinstance(value, list) else value
