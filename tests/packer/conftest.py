"""The real Packer, and one emulator for all tests of a worker. `tests.fixtures.real_packer` sums up what they note."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import real_packer
from local.arm import launch
from tests import optional_tools
from tests.packer import workbench
from tests.packer.workbench import Workbench


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here are marked; a Packer that hangs is ended by its own bound long before this one."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.packer)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def real() -> real_packer.RealPacker:
    """Packer and plugin, as `make packer` or the environment gives them."""
    optional_tools.require("packer", real_packer.why_none(os.environ))
    found = real_packer.find(os.environ)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def emulator(real: real_packer.RealPacker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """The emulator with the real Packer in its containers."""
    folder = tmp_path_factory.mktemp("packer")
    with workbench.start(folder, real) as made:
        yield made


@pytest.fixture
def bench(emulator: Workbench, request: pytest.FixtureRequest) -> Iterator[Workbench]:
    """The emulator, no scenario; what the test asks of ARM is counted."""
    emulator.set_scenario({})
    before = _requests(emulator.arm)
    yield emulator
    request.node.user_properties.append(("packer", str(emulator.real)))
    request.node.user_properties.append(("arm_requests", _requests(emulator.arm) - before))


def _requests(arm: launch.RunningArm) -> int:
    return int(arm.ask("GET", "requests")["total"])
