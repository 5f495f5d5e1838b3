"""The command at a limit of the factory: it waits for what ends soon, with a line, and says when else to try again."""

import json

import pytest

from imagefactory import screen
from imagefactory.client import Client
from tests.unit.imagefactory.conftest import Run
from tests.unit.imagefactory.fake_factory import TOKEN, FakeFactory

pytestmark = pytest.mark.process

_LIMITED = {"detail": "you have made 120 changes within a minute: try again in 1 s"}


def _limited(seconds: int, **body: str) -> tuple[int, dict[str, str], bytes]:
    return 429, {"Retry-After": str(seconds)}, json.dumps(body).encode() if body else b""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of the command, which end at once."""
    slept: list[float] = []

    def client(url: str, ca_file: str) -> Client:
        return Client(url=url, token=TOKEN, ca_file=ca_file, sleep=slept.append, report=screen.note)

    monkeypatch.setattr("imagefactory.main._client", client)
    return slept


def test_a_limit_that_ends_soon_is_waited_for_with_a_line(
    run: Run, factory: FakeFactory, waits: list[float]
) -> None:
    """A fleet that is registered by one script asks for more changes than a caller may make in a minute."""
    factory.answers = [_limited(1, **_LIMITED)] * 7
    done = run("list")
    assert (done.exit_code, waits) == (0, [1.0] * 7)
    assert done.stderr.count("waiting 1 s: you have made 120 changes within a minute") == 7


def test_a_limit_is_not_waited_for_without_an_end(run: Run, factory: FakeFactory, waits: list[float]) -> None:
    factory.answers = [_limited(30, **_LIMITED)] * 9
    done = run("list")
    assert (done.exit_code, waits) == (3, [30.0] * 4)
    assert "try again in 1 s (429)" in done.stderr


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (_limited(7200, detail="team payments: try again after 00:00 UTC"), "after 00:00 UTC (429)"),
        (_limited(7200), "try again in 7200 s"),
    ],
)
def test_a_limit_that_lasts_says_when_to_try_again(
    run: Run, factory: FakeFactory, waits: list[float], answer: tuple[int, dict[str, str], bytes], words: str
) -> None:
    factory.answers = [answer]
    done = run("list")
    assert (done.exit_code, waits, words in done.stderr) == (3, [], True), done.stderr
