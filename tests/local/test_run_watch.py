"""What a run says of its own programs and folder: which part died, what a dead run left, that a disk is full."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from imagefactory.failures import Unreachable
from local.run import folder as run_folder
from local.run import stack, story, watch
from local.run.story import Story, StoryError
from local.run.watch import PartDiedError, WatchedProgram

pytestmark = pytest.mark.process


def _part(tmp_path: Path, name: str, text: str) -> WatchedProgram:
    log = tmp_path / f"{name}.log"
    with log.open("wb") as output:
        child = subprocess.Popen([sys.executable, "-u", "-c", text], stdout=output, stderr=output)
    return WatchedProgram(name=name, child=child, log=log)


def _wait_after(do: Callable[[], None]) -> None:
    do()
    time.sleep(30)


FOREVER = "import time; print('serving'); time.sleep(60)"


def test_a_part_that_is_killed_is_named_wherever_the_run_waits(tmp_path: Path) -> None:
    lives, dies = _part(tmp_path, "Azurite", FOREVER), _part(tmp_path, "the ARM emulator", FOREVER)
    started = time.monotonic()
    try:
        with (
            pytest.raises(PartDiedError, match=r"^the ARM emulator was killed by signal 9 \(log: "),
            watch.watching(lambda: [lives, dies]),
        ):
            _wait_after(dies.child.kill)
    finally:
        for each in (lives, dies):
            each.child.kill()
            each.child.wait()
    assert time.monotonic() - started < 10


def test_a_part_that_ends_by_itself_is_named_with_its_last_words(tmp_path: Path) -> None:
    part = _part(tmp_path, "the Functions host", "print('no module named x'); raise SystemExit(3)")
    words = r"the Functions host ended with exit code 3 .*no module named x"
    with pytest.raises(PartDiedError, match=words), watch.watching(lambda: [part]):
        time.sleep(30)


def test_nothing_is_raised_after_the_watch_has_ended(tmp_path: Path) -> None:
    part = _part(tmp_path, "Azurite", FOREVER)
    before = signal.getsignal(signal.SIGUSR1)
    with watch.watching(lambda: [part]):
        pass
    part.child.kill()
    part.child.wait()
    assert signal.getsignal(signal.SIGUSR1) is before


class _Stack:
    url, arm = "http://127.0.0.1:9", SimpleNamespace(ca_file="")

    def __init__(self, *parts: WatchedProgram) -> None:
        self.parts = lambda: parts

    def token(self, *_: object, **__: object) -> str:
        return "token"


class _Api:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    def list_images(self, _: object) -> list[dict[str, Any]]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [{"name": name, **CURRENT} for name in story.IMAGES]


CURRENT = {"state": "current", "detail": "", "version": "9.1.1", "active_build": None}


def _story(api: _Api, *parts: WatchedProgram) -> Story:
    made = Story(stack=cast(Any, _Stack(*parts)), watch=lambda _: None, pause=lambda _: None)
    made.admin = cast(Any, api)
    return made


def test_a_factory_that_is_out_of_reach_for_a_while_is_waited_for() -> None:
    """Azurite stood still for a minute: the API answered 503, and the factory went on by itself."""
    api = _Api(*[Unreachable("a service that the factory needs does not answer (503)")] * 3, "all is well")
    _story(api).wait_for_first_builds()


def test_a_factory_whose_part_is_dead_is_not_waited_for(tmp_path: Path) -> None:
    part = _part(tmp_path, "Azurite", "raise SystemExit(1)")
    part.child.wait()
    with pytest.raises(StoryError, match=r"^Azurite ended with exit code 1"):
        _story(_Api(Unreachable("does not answer")), part).wait_for_first_builds()


def test_a_folder_that_a_dead_run_left_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(run_folder, "LEAST_FREE", 0)
    text = (
        "from local.run import folder; import os, tempfile; tempfile.tempdir = os.environ['T'];"
        "folder.LEAST_FREE = 0; made = folder.make(); (made.path / 'ca').mkdir();"
        "(made.path / 'ca' / 'ca-key.pem').write_text('secret'); os.kill(os.getpid(), 9)"
    )
    subprocess.run(
        [sys.executable, "-c", text], env={**os.environ, "T": str(tmp_path)}, check=False, timeout=60
    )
    (left,) = tmp_path.glob("imagefactory-*")
    strangers = tmp_path / "imagefactory-of-somebody"
    strangers.mkdir()
    made = run_folder.make()
    assert sorted(tmp_path.glob("imagefactory-*")) == sorted([made.path, strangers])
    assert not left.exists()
    other = run_folder.make()
    assert made.path.exists(), "a run that lives keeps its folder"
    for each in (made, other):
        each.remove()


def test_a_kept_folder_has_its_logs_and_no_key_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(run_folder, "LEAST_FREE", 0)
    made = run_folder.make()
    (made.path / "ca").mkdir()
    (made.path / "ca" / "ca-key.pem").write_text("secret")
    (made.path / "host.log").write_text("what happened")
    made.keep()
    run_folder.make().remove()
    assert [each.name for each in made.path.rglob("*") if each.is_file()] == ["host.log"]


def test_a_full_disk_is_named_before_anything_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage("/")._replace(free=600 * 1024)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(run_folder.NoSpaceError, match=r"^no space left in .*: 0 MB are free.*TMPDIR"):
        run_folder.make()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "example.com"}, "example.com,127.0.0.1,localhost"),
        ({"no_proxy": "localhost", "NO_PROXY": "a,b"}, "localhost,a,b,127.0.0.1"),
    ],
)
def test_this_machine_is_reached_without_a_proxy(given: dict[str, str], told: str) -> None:
    assert stack.direct(given) == {"no_proxy": told, "NO_PROXY": told}


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as first, path.open("w") as second:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(OSError, match="unavailable"):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
