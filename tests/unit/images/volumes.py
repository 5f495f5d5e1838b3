"""Disks for the tests of volumes: one of the real LVM on loop devices, and one whose tools only count.

Both have the layout of Azure's image of RHEL: a partition with the group `rootvg`, and volumes with mount points. File
systems are never made or mounted: the tools that would are stand-ins in both. A volume of a test has a few MiB.
"""

import json
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from tests.unit.images.stand_ins import StandIn

GIB = 1024**3
EXTENT = 4 * 1024**2
MOUNTS = {"/": "rootlv", "/usr": "usrlv", "/var": "varlv", "/tmp": "tmplv", "/home": "homelv"}

_COUNTED = """
import json, sys
from pathlib import Path

state = Path(STATE)
disk = json.loads(state.read_text())
name, *words = Path(sys.argv[0]).name, *sys.argv[1:]
volume = next((each for each in disk["volumes"] if words[-1:] == [f"/dev/rootvg/{each}"]), None)

def option(key):
    return words[words.index(key) + 1] if key in words else ""

def extents(size):
    return -(-int(size.removesuffix("g")) * 1024**3 // EXTENT) if size.endswith("g") else int(size)

if name == "lvs":
    if words[-1].startswith("/dev/") and volume is None:
        sys.exit(5)
    if option("--options"):
        print("  rootvg" if option("--options") == "vg_name" else f"  {disk['volumes'][volume] * EXTENT}")
elif name == "vgs" and option("--options"):
    print(f"  {disk['size'] - sum(disk['volumes'].values())}")
elif name == "pvs":
    print("  /dev/loop90")
elif name == "growpart":
    if disk["size"] == disk["whole"]:
        print("NOCHANGE: partition 2 is size 1. it cannot be grown")
        sys.exit(1)
    disk["grown"] = True
elif name == "pvresize" and disk.get("grown"):
    disk["size"] = disk["whole"]
elif name in ("lvextend", "lvcreate"):
    size, more = option("--size"), option("--extents")
    volume = volume or option("--name")
    now = disk["volumes"].get(volume, 0)
    wanted = now + int(more) if more.startswith("+") else extents(size or more)
    if wanted <= now or sum(disk["volumes"].values()) - now + wanted > disk["size"]:
        print("  Insufficient free space, or not larger", file=sys.stderr)
        sys.exit(5)
    disk["volumes"][volume] = wanted
state.write_text(json.dumps(disk))
"""


class Disk(ABC):
    """A machine with volumes. All sizes are in GiB; they cost nothing, since the disk is sparse or only counted."""

    def __init__(self, folder: Path, mounts: dict[str, str]) -> None:
        self.machine = StandIn(folder)
        self.mounted = folder / "mounted"
        self.mounted.mkdir()
        (folder / "opt").mkdir()
        (folder / "opt" / "a file").write_text("kept", "utf-8")
        (folder / "fstab").write_text("", "utf-8")
        self.machine.environment |= {
            "IMAGEFACTORY_FSTAB": str(folder / "fstab"),
            "IMAGEFACTORY_SYSTEM": str(folder),
        }
        for mount, volume in mounts.items():
            self._mount(mount, volume)
        # What is mounted is a file here: its name is the mount point, its content the device.
        self.machine.tool(
            "findmnt",
            f'[[ $* == *FSTYPE* ]] && echo xfs && exit; cat "{self.mounted}/${{@: -1}}_" 2>/dev/null'.replace(
                "${@: -1}", '$(printf %s "${@: -1}" | tr / _)'
            ),
        )
        self.machine.tool(
            "mount",
            f'if (($# == 1)); then echo /dev/rootvg/optlv >"{self.mounted}/_opt_"; else echo "$2" >"{folder}/at"; fi',
        )
        # What was copied to the new volume is shown at /opt from then on.
        self.machine.tool(
            "umount", f'rm -rf "{folder}/copied"; cp -a "$1" "{folder}/copied"; find "$1" -mindepth 1 -delete'
        )
        for name in ("mkfs.xfs", "systemctl", "restorecon"):
            self.machine.tool(name)

    def _mount(self, mount: str, volume: str) -> None:
        (self.mounted / f"{mount.replace('/', '_')}_").write_text(f"/dev/rootvg/{volume}\n", "utf-8")

    @abstractmethod
    def sizes(self) -> dict[str, float]:
        """The size of each volume in GiB."""

    @abstractmethod
    def enlarge(self, size: int) -> None:
        """The disk has this size in GiB from now on, and nothing on it has grown."""

    def close(self) -> None:  # noqa: B027 - a disk of numbers holds nothing
        """Let go of what the disk holds of this machine."""

    def grow(self, *wanted: tuple[str, int, int]) -> subprocess.CompletedProcess[str]:
        """Run the script for these volumes: mount point, GiB, percent."""
        lines = "\n".join(f"{mount}\t{size}\t{share}" for mount, size, share in wanted)
        return self.machine.run("before/05-volumes.sh", IMAGEFACTORY_VOLUMES=lines)


class Counted(Disk):
    """A disk of a file with numbers."""

    def __init__(self, folder: Path, size: int, volumes: dict[str, int], mounts: dict[str, str]) -> None:
        super().__init__(folder, mounts)
        self._state = folder / "disk.json"
        extents = {name: gib * GIB // EXTENT for name, gib in volumes.items()}
        whole = size * GIB // EXTENT
        self._write({"size": whole, "whole": whole, "volumes": extents})
        program = folder / "counted.py"
        text = _COUNTED.replace("STATE", repr(str(self._state))).replace("EXTENT", str(EXTENT))
        program.write_text(text, "utf-8")
        for name in ("lvs", "vgs", "pvs", "growpart", "pvresize", "lvextend", "lvcreate"):
            start = f"import sys; sys.argv[0] = '{name}'; exec(open('{program}').read())"
            body = f'exec {sys.executable} -ISc "{start}" "$@"'
            self.machine.tool(name, body)
        self.machine.says("lsblk", "loop90")
        partition = folder / "sys" / "class" / "block" / "loop90"
        partition.mkdir(parents=True)
        (partition / "partition").write_text("2\n", "utf-8")

    def sizes(self) -> dict[str, float]:
        return {name: extents * EXTENT / GIB for name, extents in self._read()["volumes"].items()}

    def enlarge(self, size: int) -> None:
        self._write(self._read() | {"whole": size * GIB // EXTENT})

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._state.read_text("utf-8"))
        return found

    def _write(self, state: dict[str, Any]) -> None:
        self._state.write_text(json.dumps(state), "utf-8")


_CONFIGURED = """
global { activation = 0 }
devices { use_devicesfile = 0 filter = [ "a|^PV$|", "r|.*|" ] }
backup { backup = 0 archive = 0 }
"""
_FIRST_MIB = 8  # where the partition begins


class Real(Disk):
    """A sparse disk with a real partition table and the real LVM, without its part in the kernel: nothing is activated.

    The kernel here knows no partitions of loop devices, so a second loop device shows the partition.
    """

    def __init__(self, folder: Path, size: int, volumes: dict[str, int], mounts: dict[str, str]) -> None:
        super().__init__(folder, mounts)
        self._image = folder / "disk.img"
        with self._image.open("wb") as image:
            image.truncate(size * GIB)
        table = f"label: gpt\nstart={_FIRST_MIB - 4}MiB,size=4MiB\nstart={_FIRST_MIB}MiB\n"
        subprocess.run(["sfdisk", "--quiet", self._image], input=table, text=True, check=True)
        offset = str(_FIRST_MIB * 1024**2)
        self._disk = _output("losetup", "--find", "--show", self._image)
        self._partition = _output("losetup", "--find", "--show", "--offset", offset, self._image)
        configured = folder / "lvm"
        configured.mkdir()
        (configured / "lvm.conf").write_text(_CONFIGURED.replace("PV", self._partition), "utf-8")
        self._environment = {**os.environ, "LVM_SYSTEM_DIR": str(configured), "LVM_SUPPRESS_FD_WARNINGS": "1"}
        self.machine.environment |= {
            "LVM_SYSTEM_DIR": str(configured),
            "LVM_SUPPRESS_FD_WARNINGS": "1",
        }
        self._lvm("pvcreate", "--quiet", self._partition)
        self._lvm("vgcreate", "--quiet", "rootvg", self._partition)
        for name, gib in volumes.items():
            self._lvm(
                "lvcreate", "-an", "-Zn", "-Wn", "--quiet", "--name", name, "--size", f"{gib}g", "rootvg"
            )
        self._pass_on()

    def _pass_on(self) -> None:
        """The script's calls reach the real tools, without what needs an active volume."""
        for name in ("lvs", "vgs", "pvs", "pvresize"):
            self.machine.tool(name, f'exec {shutil.which(name)} "$@" 2> >(grep -v WARNING >&2)')
        kept = "[[ $each =~ ^(--resizefs|--wipesignatures|y)$ ]]"
        drop = f'words=(); for each; do {kept} || words+=("$each"); done'
        self.machine.tool("lvextend", f'{drop}; exec {shutil.which("lvextend")} "${{words[@]}}"')
        self.machine.tool("lvcreate", f'{drop}; exec {shutil.which("lvcreate")} -an -Zn -Wn "${{words[@]}}"')
        grow = f'{shutil.which("growpart")} "$@" || exit $?; losetup --set-capacity {self._partition}'
        self.machine.tool("growpart", grow)
        self.machine.says("lsblk", self._disk.removeprefix("/dev/"))
        partition = self.machine.folder / "sys" / "class" / "block" / self._partition.removeprefix("/dev/")
        partition.mkdir(parents=True)
        (partition / "partition").write_text("2\n", "utf-8")

    def sizes(self) -> dict[str, float]:
        lines = self._lvm("lvs", "--noheadings", "--units", "b", "--nosuffix", "--options", "lv_name,lv_size")
        return {line.split()[0]: int(line.split()[1]) / GIB for line in lines.splitlines()}

    def enlarge(self, size: int) -> None:
        with self._image.open("r+b") as image:
            image.truncate(size * GIB)
        subprocess.run(["losetup", "--set-capacity", self._disk], check=True)

    def close(self) -> None:
        for device in (self._partition, self._disk):
            subprocess.run(["losetup", "--detach", device], check=False)

    def _lvm(self, *words: str) -> str:
        done = subprocess.run(words, env=self._environment, check=True, capture_output=True, text=True)
        return done.stdout


def why_not_real() -> str:
    """Why the real LVM cannot be used here; empty if it can."""
    missing = [name for name in ("lvm", "growpart", "sfdisk", "losetup") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} is not installed (lvm2, cloud-guest-utils, fdisk)"
    if os.geteuid():
        return "a loop device needs root"
    return "" if os.access("/dev/loop-control", os.R_OK | os.W_OK) else "there are no loop devices"


def _output(*words: str | Path) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
