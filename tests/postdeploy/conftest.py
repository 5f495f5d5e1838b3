"""One emulator for the session and worker, and a fresh machine for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.arm import launch
from tests.postdeploy.machine import Machine

CLIENT_ID = "d0d0d0d0-0000-4000-8000-000000000001"


@pytest.fixture(scope="session")
def vault_and_identity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.RunningArm]:
    """The emulator. The machine's identity is the only one that its metadata service knows."""
    with launch.start(tmp_path_factory.mktemp("arm"), builder_client_id=CLIENT_ID) as running:
        yield running


@pytest.fixture
def machine(tmp_path: Path, vault_and_identity: launch.RunningArm) -> Iterator[Machine]:
    """A machine that was just deployed."""
    yield Machine(tmp_path, vault_and_identity)
    vault_and_identity.ask("DELETE", "faults")
