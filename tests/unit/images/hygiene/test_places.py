"""Where keys and tokens are looked for: everywhere that people and programs write, and not on a disk of one machine."""

import os

import pytest

from tests.unit.images.hygiene import made
from tests.unit.images.hygiene.machine import Machine

pytestmark = pytest.mark.process

SEARCHED = (
    "key",
    "data/key",
    "mnt/key",
    "mnt/resource/key",
    "usr/local/etc/key",
    "var/key",
    "var/named/key",
    "var/ossec/etc/key",
    "var/crash/key",
    "var/lib/app/key",
    "var/tmp/key",
    "var/tmp/app/key",
)
NOT_SEARCHED = (
    "boot/key",
    "run/key",
    "usr/share/app/key",
    "usr/lib/app/key",
    "var/cache/key",
    "var/lock/key",
    "var/log/key",
    "var/run/key",
    "var/tmp/systemd-private-0-app.service-1/tmp/key",
)


@pytest.mark.parametrize("name", SEARCHED)
def test_a_key_in_a_place_of_people_or_programs_is_found(machine: Machine, name: str) -> None:
    machine.write(name, made.key())
    assert machine.look() == [f"/{name}: a private key [private-key]"]


@pytest.mark.parametrize("name", NOT_SEARCHED)
def test_a_place_of_packages_or_of_one_boot_is_not_searched(machine: Machine, name: str) -> None:
    machine.write(name, made.key())
    assert machine.look() == []


@pytest.mark.parametrize("mounted", ["mnt", "mnt/resource"])
def test_the_temporary_disk_is_not_searched(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, mounted: str
) -> None:
    machine.write("mnt/resource/key", made.key())
    monkeypatch.setattr(os.path, "ismount", lambda path: path == str(machine.root / mounted))
    assert machine.look() == []
