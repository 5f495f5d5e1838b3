"""The restart of a build: who asks for it, that there is one, and that one kernel is left after it."""

from pathlib import Path

import pytest

from tests.unit.images.stand_ins import StandIn

pytestmark = pytest.mark.process

OLD, NEW = "5.14.0-503.11.1.el9_5.x86_64", "5.14.0-570.12.1.el9_6.x86_64"


@pytest.fixture
def machine(tmp_path: Path) -> StandIn:
    """A machine that runs the old kernel and starts the same again."""
    made = StandIn(tmp_path)
    made.says("uname", OLD)
    made.says("grubby", f"/boot/vmlinuz-{OLD}")
    for name in ("dnf", "systemd-run"):
        made.tool(name)
    return made


def _wanted(machine: StandIn) -> list[str]:
    note = machine.staged / "restart-wanted"
    return note.read_text("utf-8").splitlines() if note.exists() else []


def test_updates_without_a_kernel_ask_for_no_restart(machine: StandIn) -> None:
    assert machine.run("before/10-update.sh").returncode == 0
    assert machine.called("dnf")[1:] == ["--assumeyes --refresh upgrade", "--quiet check-upgrade"]
    assert _wanted(machine) == []
    done = machine.run("before/12-restart.sh")
    assert (done.returncode, done.stdout) == (0, "restart: nothing asks for it\n")
    assert machine.called("systemd-run") == []
    assert not (machine.staged / "restarting").exists()


def test_a_new_kernel_asks_for_one_restart_that_the_builder_can_see(machine: StandIn) -> None:
    machine.says("grubby", f"/boot/vmlinuz-{NEW}")
    assert machine.run("before/10-update.sh").returncode == 0
    assert _wanted(machine) == [f"the kernel {NEW} was installed, and {OLD} runs"]
    done = machine.run("before/12-restart.sh")
    assert done.returncode == 0, done.stderr
    assert machine.called("systemd-run") == [
        "--quiet --on-active=5 --timer-property=AccuracySec=1s systemctl reboot"
    ]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8")
    assert (machine.staged / "restarting").read_text("utf-8") == boot


def test_updates_that_fail_fail_the_build(machine: StandIn) -> None:
    machine.tool("dnf", "[[ $* != *upgrade* ]]")
    assert machine.run("before/10-update.sh").returncode != 0
    assert _wanted(machine) == []


def test_a_restart_that_cannot_be_made_fails_the_build(machine: StandIn) -> None:
    machine.tool("systemd-run", "exit 1")
    (machine.staged / "restart-wanted").write_text("a reason\n", "utf-8")
    assert machine.run("before/12-restart.sh").returncode != 0


class Kernels:
    """The kernels of a machine after its restart, on its disk and in the list of packages."""

    def __init__(self, machine: StandIn) -> None:
        self.machine = machine
        self.boot, self.modules = machine.folder / "boot", machine.folder / "modules"
        (self.boot / "loader" / "entries").mkdir(parents=True)
        machine.environment |= {
            "IMAGEFACTORY_BOOT": str(self.boot),
            "IMAGEFACTORY_MODULES": str(self.modules),
        }
        machine.says("uname", NEW)
        machine.says("grubby", f"/boot/vmlinuz-{NEW}")
        self.listed = machine.folder / "kernels"
        self.listed.write_text("", "utf-8")
        self.owned = machine.folder / "owned"  # names of files that a package has beside the kernels' folders
        self.owned.write_text("", "utf-8")
        machine.tool(
            "rpm",
            f'if [[ $* == *--file* ]]; then name=$(basename "${{@: -1}}"); '
            f'grep -qx "$name" "{self.listed}" "{self.owned}"; else cat "{self.listed}"; fi',
        )
        # What dnf does: the newest and the running one stay.
        machine.tool(
            "dnf",
            f'rm -f "{self.boot}/vmlinuz-{OLD}"; [[ $(wc -l <"{self.listed}") -gt 1 ]] || exit 1; '
            f'sed -i "/{OLD}/d" "{self.listed}"',
        )

    def install(self, *versions: str) -> None:
        for version in versions:
            (self.boot / f"vmlinuz-{version}").write_text("kernel", "utf-8")
            (self.modules / version).mkdir(parents=True)
            (self.modules / version / "modules.dep").write_text("", "utf-8")
            with self.listed.open("a", encoding="utf-8") as list_:
                list_.write(f"{version}\n")

    def rescue(self) -> None:
        (self.boot / "vmlinuz-0-rescue-0123").write_text("kernel", "utf-8")
        (self.boot / "initramfs-0-rescue-0123.img").write_text("", "utf-8")
        (self.boot / "loader" / "entries" / "0123-0-rescue.conf").write_text("", "utf-8")

    def files(self) -> set[str]:
        return {path.name for path in self.boot.rglob("*") if path.is_file()}


def test_the_old_kernel_and_the_rescue_image_go(machine: StandIn) -> None:
    kernels = Kernels(machine)
    kernels.install(OLD, NEW)
    kernels.rescue()
    done = machine.run("before/13-kernels.sh")
    assert done.returncode == 0, done.stderr
    assert machine.called("dnf") == ["--assumeyes remove --oldinstallonly"]
    assert kernels.files() == {f"vmlinuz-{NEW}"}
    assert [path.name for path in kernels.modules.iterdir()] == [NEW]


@pytest.mark.parametrize("is_owned", [True, False])
def test_a_folder_of_modules_stays_where_a_package_owns_one_file_in_it(
    machine: StandIn, is_owned: bool
) -> None:
    kernels = Kernels(machine)
    kernels.install(OLD, NEW)
    driver = kernels.modules / OLD / "extra" / "a driver.ko"
    driver.parent.mkdir()
    driver.write_text("", "utf-8")
    if is_owned:
        kernels.owned.write_text("a driver.ko\n", "utf-8")
    done = machine.run("before/13-kernels.sh")
    assert done.returncode == 0, done.stderr
    assert driver.exists() is is_owned
    assert {path.name for path in kernels.modules.iterdir()} == ({OLD, NEW} if is_owned else {NEW})


def test_with_one_kernel_dnf_is_not_asked_since_it_would_fail(machine: StandIn) -> None:
    kernels = Kernels(machine)
    kernels.install(NEW)
    assert machine.run("before/13-kernels.sh").returncode == 0
    assert machine.run("before/13-kernels.sh").returncode == 0  # and again
    assert machine.called("dnf") == []


def test_a_machine_that_was_not_restarted_keeps_its_kernels_and_fails_the_build(machine: StandIn) -> None:
    kernels = Kernels(machine)
    kernels.install(OLD, NEW)
    machine.says("uname", OLD)
    done = machine.run("before/13-kernels.sh")
    assert done.returncode == 1
    assert "the machine was not restarted" in done.stderr
    assert machine.called("dnf") == []


@pytest.mark.parametrize("left", ["a package", "a file of /boot"])
def test_a_kernel_that_stays_fails_the_build(machine: StandIn, left: str) -> None:
    kernels = Kernels(machine)
    kernels.install(OLD, NEW)
    if left == "a package":
        machine.tool("dnf", f'rm -f "{kernels.boot}/vmlinuz-{OLD}"')
    else:
        machine.tool("dnf", f'sed -i "/{OLD}/d" "{kernels.listed}"')
    done = machine.run("before/13-kernels.sh")
    assert done.returncode == 1
    assert OLD in done.stderr
