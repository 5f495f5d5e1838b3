"""The real Packer, one emulator for all tests of a worker, and the last lines of the run: what ran, and how much."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import real_packer
from local.arm import launch
from tests import optional_tools
from tests.packer import site as sites
from tests.packer.site import Site

_SEEN: Counter[str] = Counter()
_VERSIONS: set[str] = set()


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
def emulator(real: real_packer.RealPacker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The emulator with the real Packer in its containers' surroundings."""
    folder = tmp_path_factory.mktemp("packer")
    with sites.start(folder, real) as made:
        yield made


@pytest.fixture
def site(emulator: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """The emulator, no scenario; what the test asks of ARM is counted."""
    emulator.set_scenario({})
    before = _requests(emulator.arm)
    yield emulator
    request.node.user_properties.append(("packer", str(emulator.real)))
    request.node.user_properties.append(("arm_requests", _requests(emulator.arm) - before))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Take the counts, in the process that prints the summary: they come from workers too."""
    if report.when == "teardown":
        given = dict(report.user_properties)
        if "packer" in given:
            _VERSIONS.add(str(given["packer"]))
            _SEEN["tests"] += 1
            _SEEN["requests"] += int(str(given["arm_requests"]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say with which versions these tests ran."""
    for versions in sorted(_VERSIONS):
        terminalreporter.section("the real Packer", sep="-")
        terminalreporter.line(
            f"{versions}; {_SEEN['requests']} ARM requests in {_SEEN['tests']} tests against the emulator"
        )


def _requests(arm: launch.RunningArm) -> int:
    return int(arm.ask("GET", "requests")["total"])
