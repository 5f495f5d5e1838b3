"""Runs one function: sync ones in a thread pool, async ones on the loop; one JSON line per invocation.

An error of a function is an outcome here, never an exception. There is no function timeout. At a timeout the real host
ends its worker; a test gets the same if it ends this process.
"""

import asyncio
import contextvars
import functools
import json
import logging
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import azure.functions as func
from azure.functions import _abc

from local.host.table import Function

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationEnd:
    """The end of an invocation. `result` is the function's return value."""

    ok: bool
    result: Any = None
    error: str = ""


class _Trace(_abc.TraceContext):
    """A W3C trace context without state."""

    def __init__(self, parent: str) -> None:
        self._parent = parent

    @property
    def trace_parent(self) -> str:
        return self._parent

    @property
    def trace_state(self) -> str:
        return ""

    @property
    def attributes(self) -> dict[str, str]:
        return {}

    # The SDK used these spellings until 2021, and apps still read them.
    Traceparent = trace_parent
    Tracestate = trace_state


class InvocationContext(func.Context):
    """The value of a function's parameter `context`."""

    def __init__(self, *, function: Function, invocation_id: str, traceparent: str) -> None:
        self._function = function
        self._invocation_id = invocation_id
        self._trace = _Trace(traceparent)
        self._storage = threading.local()

    @property
    def invocation_id(self) -> str:
        return self._invocation_id

    @property
    def function_name(self) -> str:
        return self._function.name

    @property
    def function_directory(self) -> str:
        return ""  # the v2 model has no folder per function

    @property
    def thread_local_storage(self) -> Any:
        return self._storage

    @property
    def trace_context(self) -> _abc.TraceContext:
        return self._trace

    @property
    def retry_context(self) -> Any:
        return None  # this host has no retry policies for its triggers


@dataclass(slots=True, kw_only=True)
class Invoker:
    """Runs functions and counts the running ones. `write_line` gets the line of each invocation."""

    threads: Executor
    write_line: Callable[[str], None]
    _running: dict[str, str] = field(default_factory=dict)

    @property
    def running(self) -> tuple[str, ...]:
        """The names of the running functions, one for each invocation."""
        return tuple(sorted(self._running.values()))

    async def invoke(
        self, function: Function, value: Any, *, reason: str, traceparent: str = ""
    ) -> InvocationEnd:
        """Run `function` with the trigger's value. The log names `reason` as the cause of the run."""
        invocation_id = str(uuid.uuid4())
        context = InvocationContext(
            function=function, invocation_id=invocation_id, traceparent=traceparent or new_traceparent()
        )
        arguments = {function.argument: value}
        if function.wants_context:
            arguments["context"] = context
        begun = time.perf_counter()
        self._running[invocation_id] = function.name
        try:
            outcome = await self._run(function, arguments)
        finally:
            del self._running[invocation_id]
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "function": function.name,
            "invocation_id": invocation_id,
            "reason": reason,
            "ok": outcome.ok,
            "milliseconds": round((time.perf_counter() - begun) * 1000, 1),
        }
        if outcome.error:
            line["error"] = outcome.error
        self.write_line(json.dumps(line))
        return outcome

    async def _run(self, function: Function, arguments: dict[str, Any]) -> InvocationEnd:
        call = functools.partial(function.call, **arguments)
        try:
            if function.is_async:
                return InvocationEnd(ok=True, result=await call())
            copied = contextvars.copy_context()
            return await asyncio.get_running_loop().run_in_executor(
                self.threads, copied.run, _run_in_thread, call, function.name
            )
        except Exception as error:
            _log.exception("function %s failed", function.name)
            return InvocationEnd(ok=False, error=describe(error))


def _run_in_thread(call: Callable[[], Any], name: str) -> InvocationEnd:
    try:
        return InvocationEnd(ok=True, result=call())
    except BaseException as error:  # SystemExit too, because it must not reach the host through the future
        _log.exception("function %s failed", name)
        return InvocationEnd(ok=False, error=describe(error))


def describe(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}"[:500].replace("\n", " ")


def new_traceparent() -> str:
    """A W3C trace parent that starts a trace."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
