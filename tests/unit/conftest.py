"""Watches each test of this folder that is not marked as one that needs a process or a port."""

from collections.abc import Generator
from pathlib import Path

import pytest

from pipeline_core.services.builds import dispatch
from tests.unit.tier import WATCH, NotAUnitTestError

_UNIT = Path(__file__).parent


@pytest.fixture
def first_steps_by_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each build takes its first step by a message, as those do that a run of the dispatcher has no time for."""
    monkeypatch.setattr(dispatch, "_AT_ONCE", 0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watch one test with all its fixtures, those of a whole module too."""
    # pytest calls this hook for every item of a session, also for those of other folders.
    if not item.path.is_relative_to(_UNIT) or item.get_closest_marker("process") is not None:
        return (yield)
    with WATCH.over(item.nodeid):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Fail a test whose code has caught the refusal and gone on."""
    return (yield from _refusals_seen())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """The same for a fixture that asks after the test."""
    WATCH.refused.clear()  # what the test itself was refused is reported already
    return (yield from _refusals_seen())


def _refusals_seen() -> Generator[None, object, object]:
    result = yield
    if WATCH.test and WATCH.refused:
        raise NotAUnitTestError(WATCH.refused[0])
    return result
