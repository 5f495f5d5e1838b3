"""A forked container cannot be told from one that was started plainly: one contract for both ways to start."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from local.arm.containers import fork_server
from local.arm.containers.fork_server import ForkServer
from local.arm.containers.processes import Process
from local.arm.containers.starts import PlainStarter, Program, Starter
from tests.local.arm.conftest import wait_gone

PROBE = Path(__file__).with_name("start_probe.py")
needs_forks = pytest.mark.skipif(not fork_server.CAN_FORK, reason="processes are forked on Linux only")
_T = TypeVar("_T")


class Bench:
    """Containers of one starter, each in a folder of its own with the probe in it."""

    def __init__(self, root: Path, starter: Starter) -> None:
        self.root, self.starter = root, starter
        self._count = 0

    def container(self) -> "Container":
        self._count += 1
        folder = self.root / "containers" / str(self._count)
        folder.mkdir(parents=True)
        shutil.copy(PROBE, folder)
        return Container(folder, self.starter)

    async def run(self, *words: str, **own: str) -> tuple[int, str]:
        """Exit code and log of one container."""
        return await self.container().run(*words, **own)


class Container:
    """One container."""

    def __init__(self, folder: Path, starter: Starter) -> None:
        self.folder = folder
        self.codes: list[int] = []
        self.process = Process(folder, self.codes.append, starter)

    async def run(self, *words: str, **own: str) -> tuple[int, str]:
        given = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.folder), **own}
        await self.process.run([sys.executable, "-m", "start_probe", *words], given)
        [code] = self.codes
        return code, self.process.log()

    async def begin(self, *words: str, **own: str) -> asyncio.Task[tuple[int, str]]:
        """Begin to run, and return when the program says that it has started."""
        task = asyncio.create_task(self.run(*words, **own))
        await until(lambda: "started" in self.process.log())
        return task


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def forks(root: Path, preloaded: str = "json") -> ForkServer:
    return ForkServer(root, {"start_probe": preloaded})


def act(
    root: Path, work: Callable[[Bench], Coroutine[Any, Any, _T]], *, starter: Starter | None = None
) -> _T:
    """Do `work` with a starter, and demand that nothing of it is left."""

    async def all_of_it() -> _T:
        bench = Bench(root, starter or forks(root))
        try:
            return await work(bench)
        finally:
            await bench.starter.close()

    done = asyncio.run(all_of_it())
    assert mentioning(root) == []
    return done


def mentioning(root: Path) -> list[str]:
    """Process ids whose command line holds the folder: the server, and what it has forked."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(root) in entry.read_bytes().decode(errors="replace"):
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


@pytest.fixture(params=["plain", pytest.param("fork", marks=needs_forks)])
def starter(request: pytest.FixtureRequest, tmp_path: Path) -> Starter:
    """Each way to start."""
    return PlainStarter() if request.param == "plain" else forks(tmp_path)


@needs_forks
def test_a_process_sees_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_HOST", "must not enter")

    async def look(bench: Bench) -> Any:
        before = await bench.run("exit", "0", ANOTHER="of another container", TZ="Asia/Tokyo")
        assert before == (0, "")
        container = bench.container()
        code, log = await container.run("facts", "a", "b c", OWN="mine", TZ="UTC+3", TMPDIR=str(tmp_path))
        assert code == 0, log
        return json.loads(log.replace(str(container.folder), "HERE"))

    plain = act(tmp_path / "plain", look, starter=PlainStarter())
    forked = act(tmp_path / "fork", look)
    assert forked == plain
    assert set(plain["environment"]) - {"LC_CTYPE"} == {"PATH", "LANG", "HOME", "OWN", "TZ", "TMPDIR"}
    assert (plain["OWN in C"], plain["folder"], plain["path"][0]) == ("mine", "HERE", "HERE")
    assert plain["descriptors"] == [0, 1, 2]


def test_only_its_own_variables_are_in_its_environment(tmp_path: Path, starter: Starter) -> None:
    async def look(bench: Bench) -> Any:
        container = bench.container()
        own = {"LANG": "C.UTF-8", "OWN": "mine"}
        await container.process.run([sys.executable, "-m", "start_probe", "facts"], own)
        return json.loads(container.process.log())["environment"]

    assert act(tmp_path, look, starter=starter) == {"LANG": "C.UTF-8", "OWN": "mine"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("exit", "0"), 0, ""),
        (("exit", "7"), 7, ""),
        (("text", "the reason"), 1, "the reason\n"),
        (("raise", "a defect"), 1, "ValueError: a defect\n"),
        (("at-once", "3"), 3, ""),
        (("signal", "9"), 137, ""),
        (("signal", "15"), 143, ""),
        (("last-words",), 0, "not flushed\nfrom a thread\nat the exit\n"),
    ],
)
def test_exit_code_and_log(
    tmp_path: Path, starter: Starter, words: tuple[str, ...], code: int, said: str
) -> None:
    ended, log = act(tmp_path, lambda bench: bench.run(*words), starter=starter)
    assert ended == code
    assert log == said or (words[0] == "raise" and log.endswith(said) and "Traceback" in log)


def test_a_stop_lets_the_program_end_by_itself(tmp_path: Path, starter: Starter) -> None:
    async def stop(bench: Bench) -> tuple[int, str]:
        container = bench.container()
        running = await container.begin("tidy")
        await container.process.stop(20)
        return await running

    assert act(tmp_path, stop, starter=starter) == (5, "started\n")


def test_a_stop_kills_after_the_grace(tmp_path: Path, starter: Starter) -> None:
    async def stop(bench: Bench) -> tuple[int, str]:
        container = bench.container()
        running = await container.begin("stubborn")
        await container.process.stop(0.1)
        return await running

    assert act(tmp_path, stop, starter=starter) == (137, "started\n")


def test_a_stop_during_the_start_is_not_lost(tmp_path: Path, starter: Starter) -> None:
    async def stop(bench: Bench) -> int:
        container = bench.container()
        running = asyncio.create_task(container.run("wait"))
        await asyncio.sleep(0)
        await container.process.stop(20)
        return (await running)[0]

    assert act(tmp_path, stop, starter=starter) == 143


def test_the_end_of_a_program_ends_its_children(tmp_path: Path, starter: Starter) -> None:
    code, log = act(tmp_path, lambda bench: bench.run("family"), starter=starter)
    assert code == 0
    wait_gone(int(log))


def test_many_at_once_keep_apart(tmp_path: Path, starter: Starter) -> None:
    async def many(bench: Bench) -> list[tuple[int, str]]:
        return await asyncio.gather(*(bench.run("facts", OWN=str(number)) for number in range(8)))

    found = [json.loads(log) for _, log in act(tmp_path, many, starter=starter)]
    assert [each["OWN in C"] for each in found] == [str(number) for number in range(8)]
    assert len({each["folder"] for each in found}) == 8
    assert {tuple(each["descriptors"]) for each in found} == {(0, 1, 2)}


def test_random_numbers_are_new_in_each_process(tmp_path: Path, starter: Starter) -> None:
    async def draw(bench: Bench) -> list[tuple[int, str]]:
        return [await bench.run("chance") for _ in range(3)]

    drawn = [number for _, log in act(tmp_path, draw, starter=starter) for number in json.loads(log)]
    assert len(set(drawn)) == len(drawn) == 12


def test_a_program_that_cannot_start_raises(tmp_path: Path, starter: Starter) -> None:
    async def fail(bench: Bench) -> None:
        program = Program(
            command=(sys.executable, "-m", "start_probe"),
            environment={"LANG": "C.UTF-8"},
            folder=tmp_path / "missing",
        )
        with pytest.raises(FileNotFoundError):
            await bench.starter.start(program, 2)
        assert (await bench.run("exit", "4"))[0] == 4

    act(tmp_path, fail, starter=starter)
