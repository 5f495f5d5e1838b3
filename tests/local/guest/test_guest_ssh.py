"""The listener of the emulated machines, with a real SSH client."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from local.guest import guests, ssh
from local.guest.files import MemoryFiles
from local.guest.guests import Guests

MACHINE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm1"
TAGS = {"imagefactory-image": "base", "imagefactory-stage": "build", "imagefactory-attempt": "1"}
KEY = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
OTHER = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
SCRIPT = "#!/bin/bash\nprintf '%s\\n' 'imagefactory: step 1 of 2: shell: a.sh'\n"


class Place:
    """A listener and its machines."""

    def __init__(self, machines: Guests, port: int) -> None:
        self.machines, self.port = machines, port

    def boot(self, machine: str = MACHINE, key: asyncssh.SSHKey = KEY) -> None:
        line = key.export_public_key("openssh").decode() + " packer"
        self.machines.boot(machine, user="packer", keys=[line], tags=TAGS)

    def dial(self, key: asyncssh.SSHKey = KEY, user: str = "packer") -> Any:
        return asyncssh.connect(
            "127.0.0.1",
            self.port,
            username=user,
            client_keys=[key],
            known_hosts=None,
            agent_path=None,
            config=None,
        )

    def entries(self, index: int = 0) -> list[dict[str, Any]]:
        return list(self.machines.shown()[index]["entries"])


@asynccontextmanager
async def _place(scenario: str) -> AsyncIterator[Place]:
    machines = Guests(scenario_path=scenario)
    acceptor = await ssh.listen(machines)
    try:
        yield Place(machines, acceptor.get_port())
    finally:
        acceptor.close()
        await acceptor.wait_closed()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    """Run a test's coroutine on a listener, within ten seconds."""

    def runner(test: Callable[[Place], Awaitable[None]], scenario: object = None) -> None:
        path = tmp_path / "scenario.json"
        path.write_text(json.dumps(scenario or {}))

        async def whole() -> None:
            async with asyncio.timeout(10), _place(str(path)) as place:
                await test(place)

        asyncio.run(whole())

    return runner


def test_the_key_tells_which_machine_is_meant(run: Callable[..., None]) -> None:
    async def test(place: Place) -> None:
        place.boot(MACHINE, KEY)
        place.boot(MACHINE + "2", OTHER)
        async with place.dial(OTHER) as there:
            await there.run("true")
        assert place.entries(0) == []
        assert [each["command"] for each in place.entries(1)] == ["true"]

    run(test)


@pytest.mark.parametrize("who", ["a stranger's key", "another user", "a machine that is off"])
def test_a_caller_without_a_machine_is_refused(run: Callable[..., None], who: str) -> None:
    async def test(place: Place) -> None:
        place.boot()
        if who == "a machine that is off":
            place.machines.stop(MACHINE)
        with pytest.raises(asyncssh.PermissionDenied):
            async with place.dial(
                OTHER if who == "a stranger's key" else KEY, "root" if who == "another user" else "packer"
            ):
                pass
        assert place.entries() == []

    run(test)


@pytest.mark.parametrize("way", ["scp", "sftp"])
def test_files_come_and_go_as_they_are(run: Callable[..., None], tmp_path: Path, way: str) -> None:
    content = bytes(range(256)) * 3000
    (tmp_path / "here").write_bytes(content)

    async def test(place: Place) -> None:
        place.boot()
        async with place.dial() as there:
            if way == "scp":
                await asyncssh.scp(str(tmp_path / "here"), (there, "/tmp/there"))
                await asyncssh.scp((there, "/tmp/there"), str(tmp_path / "back"))
            else:
                async with there.start_sftp_client() as sftp:
                    await sftp.put(str(tmp_path / "here"), "/tmp/there")
                    async with sftp.open("/tmp/there", "rb") as stream:
                        (tmp_path / "back").write_bytes(await stream.read())
        upload, download = place.entries()
        assert (upload["kind"], upload["way"], upload["size"]) == ("upload", way, len(content))
        assert upload["sha256"] == download["sha256"]

    run(test)
    assert (tmp_path / "back").read_bytes() == content


def test_results_are_simulated_and_say_so(run: Callable[..., None], tmp_path: Path) -> None:
    async def test(place: Place) -> None:
        place.boot()
        async with place.dial() as there:
            await asyncssh.scp((there, "/run/imagefactory/results/goss.json"), str(tmp_path / "goss.json"))

    run(test, {"base": {"build": "fail-goss"}})
    found = json.loads((tmp_path / "goss.json").read_text())
    assert (found["simulated"], found["summary"]["failed-count"]) == (True, 1)


def test_nothing_of_this_machine_is_read_or_written(run: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")

    async def test(place: Place) -> None:
        place.boot()
        async with place.dial() as there, there.start_sftp_client() as sftp:
            asked: tuple[Callable[[], Awaitable[object]], ...] = (
                lambda: sftp.stat(str(tmp_path / "mine")),
                lambda: sftp.get(str(tmp_path / "mine"), str(tmp_path / "copy")),
                lambda: sftp.put(str(tmp_path / "mine"), str(tmp_path / "made")),
                lambda: sftp.put(str(tmp_path / "mine"), "/etc/made"),
                lambda: sftp.put(str(tmp_path / "mine"), "/tmp/../etc/made"),
                lambda: sftp.remove(str(tmp_path / "mine")),
                lambda: sftp.rename(str(tmp_path / "mine"), "/tmp/x"),
                lambda: sftp.symlink("/etc/passwd", "/tmp/x"),
                lambda: sftp.listdir("/tmp"),
                lambda: sftp.statvfs("/"),
            )
            for ask in asked:
                with pytest.raises(asyncssh.SFTPError):
                    await ask()

    run(test)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mine", "scenario.json"]


def test_every_operation_of_the_librarys_file_server_is_replaced() -> None:
    harmless = {"channel", "connection", "convert_attrs", "env", "exit", "format_longname", "logger"}
    public = {name for name in dir(asyncssh.SFTPServer) if not name.startswith("_")}
    assert public - set(vars(MemoryFiles)) == harmless


def test_a_script_fails_as_the_scenario_says_and_is_never_run(
    run: Callable[..., None], tmp_path: Path
) -> None:
    (tmp_path / "a.sh").write_text(f"{SCRIPT}touch {tmp_path}/was-run\n")

    async def test(place: Place) -> None:
        place.boot()
        async with place.dial() as there:
            await asyncssh.scp(str(tmp_path / "a.sh"), (there, "/tmp/a.sh"))
            done = await there.run("sudo -n /bin/bash /tmp/a.sh")
            assert (done.exit_status, done.stdout) == (7, "imagefactory: step 1 of 2: shell: a.sh\nno disk\n")
            assert (await there.run("rm -f /tmp/a.sh")).exit_status == 0
            assert (await there.run("sudo -n /bin/bash /tmp/a.sh")).exit_status == 127
        kinds = [(each["kind"], each.get("exit_code")) for each in place.entries()]
        assert kinds == [("upload", None), ("command", 7), ("command", 0), ("command", 127)]

    run(test, {"base": {"build": {"scenario": "fail-provisioner", "exit_code": 7, "output": "no disk"}}})
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("name", ["drop", "hang"])
def test_a_connection_ends_with_its_scenario_or_its_machine(
    run: Callable[..., None], tmp_path: Path, name: str
) -> None:
    (tmp_path / "a.sh").write_text(SCRIPT)

    async def test(place: Place) -> None:
        place.boot()
        async with place.dial() as there:
            await asyncssh.scp(str(tmp_path / "a.sh"), (there, "/tmp/a.sh"))
            running = await there.create_process("bash /tmp/a.sh")
            assert "step 1 of 2" in await running.stdout.readline()
            if name == "hang":
                place.machines.stop(MACHINE)
            await there.wait_closed()
            assert running.exit_status is None
        assert place.entries()[-1]["answer"] == {"drop": "drops", "hang": "hangs"}[name]

    run(test, {"base": {"build": name}})


def test_a_machine_takes_only_so_much(
    run: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "FILE_BYTES", 1000)
    (tmp_path / "large").write_bytes(b"x" * 1001)

    async def test(place: Place) -> None:
        place.boot()
        async with place.dial() as there:
            with pytest.raises(asyncssh.SFTPError, match="no space left"):
                await asyncssh.scp(str(tmp_path / "large"), (there, "/tmp/large"))

    run(test)
