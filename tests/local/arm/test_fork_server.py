"""The fork server: what it forks, what it leaves to plain starts, and what happens when it or the emulator ends."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.arm import launch
from local.arm.containers import environment, fork_server
from local.arm.containers.starts import Program
from tests.local.arm.conftest import is_alive, wait_gone
from tests.local.arm.test_container_starts import Bench, act, forks, mentioning, needs_forks, until


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

    async def look(bench: Bench) -> tuple[list[str], int]:
        seen = [(await bench.run("global", **_with(library)))[1] for _ in range(3)]
        return seen, len(mentioning(bench.root))

    assert act(tmp_path, look, starter=forks(tmp_path, "preloaded")) == (["null\n"] * 3, 0)


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
def test_modules_that_cannot_be_shared_are_not(
    tmp_path: Path, library: Path, source: str, caplog: pytest.LogCaptureFixture
) -> None:
    library.write_text(source)
    past = time.time() - 60
    os.utime(library, (past, past))

    async def start(bench: Bench) -> list[tuple[int, str]]:
        seen = [await bench.run("parent", **_with(library))]
        library.unlink()  # a second server could not even begin as the first did
        return [*seen, await bench.run("parent", **_with(library))]

    seen = act(tmp_path, start, starter=forks(tmp_path, "preloaded"))
    assert seen == [(0, f"{os.getpid()}\n")] * 2
    assert [record.message for record in caplog.records if "plainly" in record.message] != []
    assert len(caplog.records) == 1  # it is tried once


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
        program = Program(
            command=(sys.executable, "-m", "start_probe", "silent"),
            environment={"LANG": "C.UTF-8"},
            folder=bench.container().folder,
        )
        with Path(os.devnull).open("wb") as output:
            for turns in range(1, 6):  # all of them come between the request and its answer
                starting = asyncio.create_task(bench.starter.start(program, output.fileno()))
                for _ in range(turns):
                    await asyncio.sleep(0)
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
        assert (await bench.run("exit", "0"))[0] == 0  # the requests are answered in turn
        await until(lambda: len(mentioning(bench.root)) == 1)  # the server

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
    while mentioning(tmp_path) and time.monotonic() < end:
        time.sleep(0.02)
    assert mentioning(tmp_path) == []


@needs_forks
def test_the_builder_itself_is_forked_and_runs_its_own_entry(tmp_path: Path) -> None:
    """Without its variables the builder ends with 2, and says which are missing. No import of ours is in it."""

    async def start(bench: Bench) -> tuple[int, str]:
        container = bench.container()
        command = environment.default_programs()["imagefactory-builder"]
        given = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(environment.CHECKOUT)}
        await container.process.run(command, given)
        assert mentioning(tmp_path) != []
        return container.codes[0], container.process.log()

    code, log = act(tmp_path, start, starter=environment.fork_server(tmp_path))
    assert code == 2
    assert log.startswith("the builder cannot start; set these variables:")
