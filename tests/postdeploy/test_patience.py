"""How long a machine pauses before it asks again. No time passes here."""

import pytest

from tests.postdeploy.machine import loaded


def pauses(monkeypatch: pytest.MonkeyPatch, chance: float, retry_after: str = "") -> list[float]:
    """The first seven pauses of a machine that has this chance."""
    azure = loaded("azure")
    found: list[float] = []
    with monkeypatch.context() as patch:
        patch.setattr(azure.random, "random", lambda: chance)
        patch.setattr(azure.time, "sleep", found.append)
        patience = azure.Patience(1000, 1.0)
        for attempt in range(7):
            assert patience.wait(attempt, retry_after)
    assert patience.waited == sum(found)
    return found


def test_machines_that_start_together_do_not_ask_again_together(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = [1, 2, 4, 8, 16, 30, 30]
    assert pauses(monkeypatch, 0.0) == longest
    assert pauses(monkeypatch, 0.5) == [each * 0.75 for each in longest]


def test_no_machine_asks_again_before_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pauses(monkeypatch, 0.0, "60") == [60] * 7
    assert pauses(monkeypatch, 1.0, "60") == [75] * 7
