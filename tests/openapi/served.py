"""The real app over the real services of a small fleet, on a free port of loopback, with a token for each role."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from pipeline_core.domain import access
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.receivers import FleetReceiver
from pipeline_core.ports import Principal
from simulation import world
from simulation.world import SimulatedWorld
from tests.unit.services import policy_documents as policies
from triggers.api.app import create_app

TOKENS = {"admin": "an-admin", "reader": "a-reader", "team": "a-member", "nobody": None}
_PATIENCE = 60  # seconds until it listens


def fleet() -> SimulatedWorld:
    """A base and a team's image, both current, a poisoned message, a receiver; and a caller of each role."""
    made = world.make()
    made.register("rhel9-base", None)
    made.register("payments-api", "rhel9-base", team="payments")
    made.drain()
    made.factory.poison.record("rebuild-requests", "garbage")
    made.factory.receivers.add(FleetReceiver(url="https://hooks.factory.corp/x", bases=True), world.ADMIN)
    made.drain()
    policies.put(made, limits={"changesPerMinute": 100_000})  # each caller asks thousands of times
    roles: dict[str, tuple[frozenset[str], frozenset[TeamName]]] = {
        "admin": (frozenset({access.ADMIN}), frozenset()),
        "reader": (frozenset({access.READER}), frozenset()),
        "team": (frozenset(), frozenset({TeamName("payments")})),
    }
    for role, (granted, teams) in roles.items():
        caller = Principal(subject=role, name=role, roles=granted, teams=teams)
        made.ports.tokens.grant(str(TOKENS[role]), caller)
    return made


@contextmanager
def serving(made: SimulatedWorld) -> Iterator[str]:
    """The address of its API, until the end of the block."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(create_app(lambda: made.factory), log_level="error", lifespan="off")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        end = time.monotonic() + _PATIENCE
        while not server.started:
            if time.monotonic() > end:
                raise TimeoutError(f"the API did not listen within {_PATIENCE} seconds")
            time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(_PATIENCE)
