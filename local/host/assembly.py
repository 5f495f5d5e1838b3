"""Builds a host from a function table: listeners, HTTP front, start, announcement and orderly stop."""

import asyncio
import contextlib
import functools
import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from azure.storage.queue import QueueServiceClient

from local import ports
from local.host import connections, http_front, routes
from local.host.errors import HostError
from local.host.host_json import HostOptions
from local.host.invocation import Invoker
from local.host.queues import sends
from local.host.queues.listener import POISON_SUFFIX, QueueListener
from local.host.queues.messages import MessageLife
from local.host.table import Function, Trigger
from local.host.timers import ncrontab
from local.host.timers.timers import TimerListener

_STORAGE_THREADS = 8  # queue requests under way at once, apart from the functions' own threads
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """What to run and how. `lease` hides a message while its function runs. `grace` limits an orderly stop."""

    functions: tuple[Function, ...]
    options: HostOptions
    environment: Mapping[str, str]
    folder: Path
    lease: timedelta
    grace: timedelta
    announce: Path | None
    write_line: Callable[[str], None]


class _Server(uvicorn.Server):
    """Uvicorn that leaves the signals to the host."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Host:
    """One run of a host. Its constructor finds every error in the app's bindings."""

    def __init__(self, plan: HostPlan) -> None:
        self._plan = plan
        self._begun = time.monotonic()
        self._is_running = False
        self._stopping = asyncio.Event()
        self._storage_threads = ThreadPoolExecutor(_STORAGE_THREADS, thread_name_prefix="storage")
        self._invoker = Invoker(
            threads=ThreadPoolExecutor(_thread_count(plan.environment), thread_name_prefix="function"),
            write_line=plan.write_line,
        )
        enabled = [function for function in plan.functions if not function.is_disabled]
        self._timers = [self._timer(found) for found in enabled if found.trigger is Trigger.TIMER]
        self._services: dict[str, QueueServiceClient] = {}
        self._queues = [self._queue(found) for found in enabled if found.trigger is Trigger.QUEUE]
        self._asides: set[asyncio.Task[None]] = set()
        self._front = http_front.Front(
            functions=plan.functions,
            invoker=self._invoker,
            route_table=routes.compile_routes(
                [found for found in enabled if found.trigger is Trigger.HTTP], plan.options.route_prefix
            ),
            key=secrets.token_urlsafe(24),
            run_timer=self._run_timer,
            describe_state=self._state,
        )

    def stop(self) -> None:
        """Begin an orderly stop. `serve` returns at its end."""
        self._stopping.set()

    async def serve(self, listener: socket.socket) -> bool:
        """Run on a listening socket until stopped. False if functions were still running at the end."""
        config = uvicorn.Config(
            self._front.application(), lifespan="off", access_log=False, log_config=None, ws="none"
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        parts: tuple[TimerListener | QueueListener, ...] = (*self._timers, *self._queues)
        listeners = [asyncio.create_task(part.run()) for part in parts]
        watch = sends.SendWatch(functools.partial(self._expect, asyncio.get_running_loop()))
        watch.begin()
        self._is_running = True
        self._announce(f"http://{ports.LOOPBACK}:{ports.port_of(listener)}")
        stopped = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait([stopped, serving, *listeners], return_when=asyncio.FIRST_COMPLETED)
        self._is_running = False
        watch.end()
        for part in parts:
            part.stop()
        server.should_exit = True
        _, late = await asyncio.wait(
            [serving, *listeners, *self._asides], timeout=self._plan.grace.total_seconds()
        )
        stopped.cancel()
        for task in done - {stopped}:
            task.result()  # a listener that ended by itself has failed: raise its error
        for task in late:
            task.cancel()
        if late:
            _log.warning("still running at the end: %s", ", ".join(self._invoker.running) or "connections")
        return not late

    def _timer(self, function: Function) -> TimerListener:
        try:
            schedule = ncrontab.parse_schedule(str(function.binding["schedule"]))
        except ValueError as error:
            raise HostError(f"function {function.name}: {error}") from error
        return TimerListener(
            function=function, schedule=schedule, invoker=self._invoker, folder=self._plan.folder / "timers"
        )

    def _queue(self, function: Function) -> QueueListener:
        connection = str(function.binding.get("connection") or "AzureWebJobsStorage")
        service = self._services.get(connection) or connections.open_queue_service(
            connection, self._plan.environment, f"function {function.name}"
        )
        self._services[connection] = service
        name = str(function.binding["queueName"])
        has_poison = not name.endswith(POISON_SUFFIX)
        life = MessageLife(
            function=function,
            queue=service.get_queue_client(name),
            poison=service.get_queue_client(name + POISON_SUFFIX) if has_poison else None,
            options=self._plan.options.queues,
            lease=self._plan.lease,
            invoker=self._invoker,
            threads=self._storage_threads,
            on_poison=self._wake_queue,
        )
        return QueueListener(life=life, threads=self._storage_threads)

    def _wake_queue(self, name: str) -> None:
        for listener in self._queues:
            if listener.queue_name == name:
                listener.wake()

    def _expect(self, loop: asyncio.AbstractEventLoop, name: str, seconds: float) -> None:
        """Runs on any thread. The loop may have ended already. A message without a notice is found by polling."""
        for listener in self._queues:
            if listener.queue_name == name:
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(listener.expect, seconds)

    def _run_timer(self, name: str) -> bool:
        timer = next((found for found in self._timers if found.name == name), None)
        if timer is None:
            return False
        self._aside(timer.run_now())
        return True

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    def _state(self) -> Mapping[str, Any]:
        return {
            "id": f"local-{os.getpid()}",
            "state": "Running" if self._is_running else "Stopping",
            "version": "local",
            "processUptime": int((time.monotonic() - self._begun) * 1000),
            "running": self._invoker.running,
        }

    def _announce(self, url: str) -> None:
        file = self._plan.announce
        if file is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(file.name + ".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump({"pid": os.getpid(), "url": url, "key": self._front.key}, stream)
        partial.replace(file)  # a program that waits for the file finds it complete


def _thread_count(environment: Mapping[str, str]) -> int | None:
    """The number of sync functions that run at once. None leaves it to Python, as in the real worker."""
    text = environment.get("PYTHON_THREADPOOL_THREAD_COUNT", "")
    if not text:
        return None
    if not text.isdigit() or int(text) < 1:
        raise HostError(f"the setting PYTHON_THREADPOOL_THREAD_COUNT is {text!r}; write a number from 1")
    return int(text)
