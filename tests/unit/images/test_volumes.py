"""Volumes get what the definition asks for: with tools that only count, and with the real LVM where root is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import optional_tools
from tests.unit.images import volumes
from tests.unit.images.volumes import Disk

pytestmark = pytest.mark.process

AZURE = {"rootlv": 2, "usrlv": 10, "varlv": 8, "tmplv": 2, "homelv": 1}  # GiB
NO_OPT = dict(volumes.MOUNTS)
OPT = {**volumes.MOUNTS, "/opt": "optlv"}
Make = Callable[..., Disk]


@pytest.fixture(params=["counted", "real"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes the disk of a test: 40 GiB, of which 23 are given, unless it says more."""
    is_real, made = request.param == "real", list[Disk]()
    if is_real and volumes.why_not_real():
        optional_tools.missing("lvm", volumes.why_not_real())

    def disk(size: int = 40, mounts: dict[str, str] = NO_OPT, **more: int) -> Disk:
        kind = volumes.Real if is_real else volumes.Counted
        made.append(kind(tmp_path, size, AZURE | more, mounts))
        return made[-1]

    yield disk
    for each in made:
        each.close()


def _changed(disk: Disk) -> dict[str, float]:
    """The volumes that are not as they were, in GiB."""
    return {name: size for name, size in disk.sizes().items() if size != AZURE.get(name)}


def test_without_wishes_nothing_is_touched(make: Make) -> None:
    disk = make()
    done = disk.machine.run("before/05-volumes.sh")
    assert done.returncode == 0
    assert disk.machine.calls == []


def test_volumes_have_their_sizes_and_a_second_run_changes_nothing(make: Make) -> None:
    disk = make()
    wanted = (("/", 6, 0), ("/var", 8, 0), ("/home", 3, 0))
    for _ in range(2):
        done = disk.grow(*wanted)
        assert done.returncode == 0, done.stderr
        assert _changed(disk) == {"rootlv": 6, "homelv": 3}  # /var had its 8 GiB
    grown = disk.machine.called("lvextend")
    assert grown == ["--resizefs --size 6g /dev/rootvg/rootlv", "--resizefs --size 3g /dev/rootvg/homelv"]


def test_a_volume_never_gets_smaller(make: Make) -> None:
    disk = make()
    assert disk.grow(("/usr", 4, 0)).returncode == 0
    assert _changed(disk) == {}


def test_a_larger_disk_is_used(make: Make) -> None:
    disk = make()
    assert disk.grow(("/var", 30, 0)).returncode != 0  # 17 GiB are free
    disk.enlarge(64)
    done = disk.grow(("/var", 30, 0))
    assert done.returncode == 0, done.stderr
    assert _changed(disk) == {"varlv": 30}


def test_shares_are_of_what_the_sizes_leave_and_are_given_once(make: Make) -> None:
    disk = make()
    wanted = (("/var", 0, 50), ("/", 6, 0), ("/home", 0, 25))
    for _ in range(2):
        done = disk.grow(*wanted)
        assert done.returncode == 0, done.stderr
        sizes = disk.sizes()
        assert sizes["rootlv"] == 6
        assert 14 < sizes["varlv"] < 14.6  # 8, and half of the 13 that are free
        assert 4 < sizes["homelv"] < 4.3


def test_opt_becomes_a_volume_and_keeps_its_content(make: Make) -> None:
    disk = make()
    done = disk.grow(("/opt", 5, 0))
    assert done.returncode == 0, done.stderr
    assert _changed(disk) == {"optlv": 5}
    folder = disk.machine.folder
    assert (folder / "copied" / "a file").read_text("utf-8") == "kept"
    assert list((folder / "opt").iterdir()) == []  # not hidden below the volume
    assert (folder / "fstab").read_text("utf-8") == "/dev/rootvg/optlv /opt xfs defaults 0 0\n"
    assert disk.grow(("/opt", 5, 0)).returncode == 0
    assert _changed(disk) == {"optlv": 5}
    assert len(disk.machine.called("lvcreate")) == 1


def test_opt_may_be_a_volume_of_a_share(make: Make) -> None:
    disk = make()
    done = disk.grow(("/opt", 0, 100))
    assert done.returncode == 0, done.stderr
    assert 16.5 < disk.sizes()["optlv"] <= 17


def test_an_image_that_has_opt_as_a_volume_keeps_it(make: Make) -> None:
    disk = make(mounts=OPT, optlv=2)
    done = disk.grow(("/opt", 5, 0))
    assert done.returncode == 0, done.stderr
    assert disk.sizes()["optlv"] == 5
    assert disk.machine.called("lvcreate") == []
    assert (disk.machine.folder / "opt" / "a file").exists()


@pytest.mark.parametrize(
    ("mounts", "wanted", "said"),
    [
        (NO_OPT, ("/opt", 18, 0), "nsufficient"),
        ({"/": "rootlv"}, ("/var", 9, 0), "/var is not a volume of its own"),
        ({}, ("/", 6, 0), "/ is not a logical volume"),
    ],
    ids=["more than is free", "a folder of another volume", "a machine without LVM"],
)
def test_what_cannot_be_given_fails_the_build(
    make: Make, mounts: dict[str, str], wanted: tuple[str, int, int], said: str
) -> None:
    disk = make(mounts=mounts)
    done = disk.grow(wanted)
    assert done.returncode != 0
    assert said in done.stderr
    assert _changed(disk) == {}


def test_a_partition_that_cannot_be_grown_fails_the_build(make: Make) -> None:
    disk = make()
    disk.machine.tool("growpart", "echo FAILED: no table; exit 2")
    done = disk.grow(("/", 6, 0))
    assert "growpart ended with 2" in done.stderr
    assert _changed(disk) == {}
