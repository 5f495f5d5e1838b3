"""A forked container cannot be told from one that was started plainly: one contract for both ways to start."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from local.arm import launch
from local.arm.containers import environment, fork_server
from local.arm.containers.fork_server import ForkServer
from local.arm.containers.processes import Process
from local.arm.containers.starts import PlainStarter, Program, Starter
from tests.local.arm.conftest import is_alive, wait_gone

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
    assert _mentioning(root) == []
    return done


def _mentioning(root: Path) -> list[str]:
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


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module `preloaded` that the server can import, through the environment of the containers."""
    folder = tmp_path / "library"
    folder.mkdir()
    file = folder / "preloaded.py"
    file.write_text("seen = 'as loaded'\n")
    past = time.time() - 60  # as a file that nobody has just written
    os.utime(file, (past, past))
    return file


def _with(library: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(library.parent)}


@needs_forks
def test_processes_are_forks_of_one_server(tmp_path: Path) -> None:
    async def parents(bench: Bench) -> list[str]:
        return [(await bench.run("parent"))[1] for _ in range(3)]

    found = act(tmp_path, parents)
    assert len(set(found)) == 1
    assert int(found[0]) != os.getpid()


@needs_forks
def test_what_one_process_changes_no_other_sees(tmp_path: Path, library: Path) -> None:
    async def change(bench: Bench) -> list[str]:
        return [(await bench.run("global", **_with(library)))[1] for _ in range(2)]

    assert act(tmp_path, change, starter=forks(tmp_path, "preloaded")) == ['"as loaded"\n'] * 2


@needs_forks
def test_a_changed_file_is_loaded_again(tmp_path: Path, library: Path) -> None:
    async def change(bench: Bench) -> list[str]:
        old = bench.container()
        running = await old.begin("tidy", **_with(library))
        seen = [(await bench.run("global", **_with(library)))[1]]
        library.write_text("seen = 'mended'\n")
        seen += [(await bench.run("global", **_with(library)))[1] for _ in range(2)]
        assert not running.done()  # a process of the older server goes on
        await old.process.stop(20)
        assert (await running)[0] == 5
        return seen

    seen = act(tmp_path, change, starter=forks(tmp_path, "preloaded"))
    assert seen == ['"as loaded"\n', '"mended"\n', '"mended"\n']


@needs_forks
def test_a_file_that_may_have_changed_during_its_import_is_not_trusted(tmp_path: Path, library: Path) -> None:
    soon = time.time() + 60
    os.utime(library, (soon, soon))
    starter = forks(tmp_path, "preloaded")
    assert act(tmp_path, lambda bench: bench.run("global", **_with(library)), starter=starter) == (
        0,
        "null\n",
    )


@needs_forks
@pytest.mark.parametrize(
    "own",
    [
        {"PYTHONHASHSEED": "7"},
        {"LANG": "C"},
        {"LC_ALL": "C"},
        {"LD_LIBRARY_PATH": "/x"},
        {"BIG": "x" * 110_000},
    ],
    ids=lambda own: next(iter(own)),
)
def test_what_a_fork_cannot_give_is_started_plainly(tmp_path: Path, own: dict[str, str]) -> None:
    async def start(bench: Bench) -> list[str]:
        more = {f"{name}{number}": value for name, value in own.items() for number in "123" if name == "BIG"}
        return [(await bench.run("parent", **given))[1] for given in ({}, {**own, **more}, {})]

    first, other, last = act(tmp_path, start)
    assert first == last != other == f"{os.getpid()}\n"


@needs_forks
@pytest.mark.parametrize(
    "source",
    [
        "raise RuntimeError('broken')",
        "import threading, time; threading.Thread(target=time.sleep, args=[600], daemon=True).start()",
        "kept = open(__file__)",
    ],
    ids=["broken", "a thread", "an open file"],
)
def test_modules_that_cannot_be_shared_are_not(tmp_path: Path, library: Path, source: str) -> None:
    library.write_text(source)
    past = time.time() - 60
    os.utime(library, (past, past))
    starter = forks(tmp_path, "preloaded")
    code, log = act(tmp_path, lambda bench: bench.run("parent", **_with(library)), starter=starter)
    assert (code, log) == (0, f"{os.getpid()}\n")


@needs_forks
def test_other_programs_are_started_plainly(tmp_path: Path) -> None:
    async def start(bench: Bench) -> int:
        container = bench.container()
        await container.process.run([sys.executable, "-c", "import os; print(os.getppid())"], {})
        return int(container.process.log())

    assert act(tmp_path, start) == os.getpid()


def test_elsewhere_than_on_linux_every_program_is_started_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_server, "CAN_FORK", False)
    assert act(tmp_path, lambda bench: bench.run("parent")) == (0, f"{os.getpid()}\n")


@needs_forks
def test_the_end_of_the_server_ends_its_processes_and_another_begins(tmp_path: Path) -> None:
    async def kill(bench: Bench) -> tuple[int, int]:
        container = bench.container()
        running = await container.begin("stubborn")
        server = int((await bench.run("parent"))[1])
        os.kill(server, signal.SIGKILL)
        code, _ = await running
        assert int((await bench.run("parent"))[1]) not in (server, os.getpid())
        return code, server

    code, server = act(tmp_path, kill)
    assert code == 137
    wait_gone(server)


@needs_forks
def test_a_caller_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    async def cancel(bench: Bench) -> None:
        assert (await bench.run("exit", "0"))[0] == 0  # the server runs
        for _ in range(5):
            running = asyncio.create_task(bench.run("wait"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert len(_mentioning(bench.root)) == 1  # the server

    act(tmp_path, cancel)


_EMULATOR = """
import asyncio, os, sys
from pathlib import Path
from tests.local.arm.test_container_starts import Bench, forks

async def main():
    root = Path(sys.argv[1])
    container = Bench(root, forks(root)).container()
    running = await container.begin("wait")
    print(container.process.pid, flush=True)
    await running

asyncio.run(main())
"""


@needs_forks
def test_processes_end_when_the_emulator_is_killed(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _EMULATOR, str(tmp_path)]
    with subprocess.Popen(words, cwd=launch.CHECKOUT, stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout is not None
        pid = int(emulator.stdout.readline())
        assert is_alive(pid)
        emulator.kill()
    wait_gone(pid)
    end = time.monotonic() + 10
    while _mentioning(tmp_path) and time.monotonic() < end:
        time.sleep(0.02)
    assert _mentioning(tmp_path) == []


@needs_forks
def test_the_builder_itself_is_forked_and_runs_its_own_entry(tmp_path: Path) -> None:
    """Without its variables the builder ends with 2, and says which are missing. No import of ours is in it."""

    async def start(bench: Bench) -> tuple[int, str]:
        container = bench.container()
        command = environment.default_programs()["imagefactory-builder"]
        given = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(environment.CHECKOUT)}
        await container.process.run(command, given)
        assert _mentioning(tmp_path) != []
        return container.codes[0], container.process.log()

    code, log = act(tmp_path, start, starter=environment.fork_server(tmp_path))
    assert code == 2
    assert log.startswith("the builder cannot start; set these variables:")
