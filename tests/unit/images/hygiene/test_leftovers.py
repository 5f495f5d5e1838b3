"""What is left of accounts that are gone and of the user of the build: found, and taken away by deprovisioning."""

import os
import subprocess
import time

import pytest
from scanner import leftovers

from tests.unit.images.hygiene.machine import BASH, HYGIENE, PASSWD, Machine

pytestmark = pytest.mark.process

RULE = "# Created by cloud-init v. 24.4 on {when}\n\n# User rules for packer\npacker ALL=(ALL) NOPASSWD:ALL\n"
_OLD = "Tue, 04 Aug 2020 07:00:00 +0000"
_LATER = time.time() + 3600  # of a boot: all files are of the image
_EARLIER = time.time() - 3600  # of a boot: all files are the machine's own

LEFT = {
    "a rule of sudo": ("etc/sudoers.d/90-cloud-init-users", RULE.format(when=_OLD)),
    "a rule of the Azure agent": ("etc/sudoers.d/waagent", "packer ALL=(ALL) NOPASSWD: ALL\n"),
    "a crontab": ("var/spool/cron/packer", "* * * * * true\n"),
    "a mailbox": ("var/spool/mail/packer", ""),
    "lingering services": ("var/lib/systemd/linger/packer", ""),
    "subordinate ids": ("etc/subuid", "packer:100000:65536\n"),
    "subordinate groups": ("etc/subgid", "packer:100000:65536\n"),
}
_GONE = {
    **LEFT,
    "a group": ("etc/group", "root:x:0:\nwheel:x:10:packer,dev\n"),
    "its own group": ("etc/group", "root:x:0:\npacker:x:1001:\n"),
    "a shadow of a group": ("etc/gshadow", "wheel:::dev,packer\n"),
    "a home": ("home/packer/.bashrc", ""),
}


def _without_builder(machine: Machine) -> None:
    lines = [line for line in PASSWD.splitlines(keepends=True) if not line.startswith("packer:")]
    machine.write("etc/passwd", "".join(lines))
    machine.write("etc/group", "root:x:0:\nwheel:x:10:dev\n")


@pytest.mark.parametrize(("name", "content"), _GONE.values(), ids=_GONE.keys())
@pytest.mark.parametrize("phase", ["build", "verify"])
def test_what_is_left_of_an_account_that_is_gone_is_found(
    machine: Machine, name: str, content: str, phase: str
) -> None:
    _without_builder(machine)
    assert machine.look(phase, booted=_EARLIER) == []
    machine.write(name, content)
    (finding,) = machine.look(phase, booted=_EARLIER)
    assert finding.endswith("[leftover]")
    assert "an account that does not exist" in finding


@pytest.mark.parametrize(("name", "content"), LEFT.values(), ids=LEFT.keys())
def test_the_user_of_the_build_is_allowed_until_it_is_older_than_the_machine(
    machine: Machine, name: str, content: str
) -> None:
    machine.write(name, content.replace(_OLD, time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())))
    assert machine.look() == []
    assert machine.look("verify", booted=_EARLIER) == []
    (finding,) = [line for line in machine.look("verify", booted=_LATER) if "[leftover]" in line]
    assert "packer, the user of the build" in finding


def test_a_rule_of_the_image_that_cloud_init_only_added_to_is_found(machine: Machine) -> None:
    machine.write("etc/sudoers.d/90-cloud-init-users", RULE.format(when=_OLD))
    (finding,) = machine.look("verify", booted=_EARLIER)
    assert "a rule of sudo for packer" in finding


def test_a_home_or_a_job_of_an_owner_who_is_gone_is_found(machine: Machine) -> None:
    machine.write("home/old/.bashrc", "")
    machine.write("var/spool/at/a0000101", "")
    machine.write(
        "etc/passwd",
        "\n".join(line for line in PASSWD.splitlines() if line.split(":")[2] != str(os.getuid())),
    )
    assert {line.partition(": ")[2] for line in machine.look()} >= {
        "a home of an account that does not exist [leftover]",
        "a job of at of an account that does not exist [leftover]",
    }


@pytest.mark.parametrize("name", ["etc/group", "etc/gshadow"])
@pytest.mark.parametrize("line", ["", "x", "wheel", "packer"])
def test_a_broken_line_of_a_group_does_not_stop_the_search(machine: Machine, name: str, line: str) -> None:
    machine.write(name, f"root:x:0:\n{line}\nwheel:x:10:old\n")
    assert machine.look() == [
        f"/{name}: a group of old, an account that does not exist [leftover]",
    ]


def test_an_account_whose_number_is_none_is_left_out(machine: Machine) -> None:
    machine.write("etc/passwd", PASSWD + "odd:x:\u00b2:0::/odd:/bin/bash\n")
    assert machine.look() == []


def test_a_strange_name_of_an_account_stays_on_one_line(machine: Machine) -> None:
    machine.write("var/spool/cron/a\nb", "")
    (finding,) = machine.look()
    assert "a crontab of $'a\\nb', an account that does not exist" in finding


def test_rules_of_sudo_for_who_exists_are_allowed(machine: Machine) -> None:
    machine.write(
        "etc/sudoers.d/app", "app ALL=(root) NOPASSWD: /usr/bin/systemctl restart app\n%ops ALL=(ALL) ALL\n"
    )
    assert machine.look() == []


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("packer ALL=(ALL) NOPASSWD:ALL\n", ["packer"]),
        ("packer,dev, app ALL = ALL\n", ["packer", "dev", "app"]),
        ("packer \\\n  ALL=(ALL) ALL\n", ["packer"]),
        ("\tpacker\tALL=(ALL)\tALL\n", ["packer"]),
        ("# packer ALL=(ALL) ALL\n", []),
        ('Defaults:packer !requiretty\nDefaults env_keep += "A=B"\n', []),
        ("%wheel ALL=(ALL) ALL\n+net ALL=ALL\n#1000 ALL=ALL\nALL ALL=ALL\nADMINS ALL=ALL\n", []),
        ("User_Alias ADMINS = packer, dev\nCmnd_Alias X = /bin/a\n@includedir /etc/sudoers.d\n", []),
        ("svc@corp.net ALL=(ALL) ALL\n", ["svc@corp.net"]),
        ("", []),
    ],
)
def test_which_users_the_rules_of_sudo_name(text: str, users: list[str]) -> None:
    assert list(leftovers.users_in(text)) == users


def _forget(machine: Machine, user: str = "packer") -> subprocess.CompletedProcess[str]:
    command = [BASH, str(HYGIENE / "forget.sh"), "--user", user, "--root", str(machine.root)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={"PATH": "/usr/bin:/bin"}
    )


MADE_AGAIN = {
    "var/lib/NetworkManager/internal-1-eth0.lease": "ADDRESS=10.0.0.4\n",
    "var/lib/NetworkManager/secret_key": "x",
    "var/lib/dhclient/dhclient.leases": "lease {}\n",
    "var/lib/systemd/credential.secret": "x",
    "etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.1994-05.com.redhat:1\n",
    "etc/nvme/hostnqn": "nqn.2014-08.org.nvmexpress:uuid:1\n",
    "etc/nvme/hostid": "1\n",
    "etc/lvm/devices/system.devices": "IDTYPE=sys_wwid IDNAME=naa.1 DEVNAME=/dev/sda4\n",
    "etc/NetworkManager/system-connections/cloud-init-eth0.nmconnection": (
        "# Generated by cloud-init. Changes will be lost.\n\n[ethernet]\nmac-address=00:0D:3A:00:00:01\n"
    ),
    "etc/sysconfig/network-scripts/ifcfg-eth0": (
        "# Created by cloud-init automatically, do not edit.\n#\nHWADDR=00:0d:3a:00:00:01\n"
    ),
    "etc/udev/rules.d/70-persistent-net.rules": 'SUBSYSTEM=="net", ATTR{address}=="00:0d:3a:00:00:01", NAME="eth0"\n',
}


def test_deprovisioning_leaves_nothing_that_the_booted_machine_would_find(machine: Machine) -> None:
    kept = {
        "etc/sudoers.d/app": "app ALL=(root) NOPASSWD: /usr/bin/id\n",
        "etc/NetworkManager/system-connections/app.nmconnection": "[connection]\nid=app\n",
        "etc/fstab": "/dev/mapper/rootvg-rootlv / xfs defaults 0 0\n",
        "etc/subuid": "dev:165536:65536\n",
    }
    for name, content in {**dict(LEFT.values()), **MADE_AGAIN, **kept}.items():
        machine.write(name, content)
    machine.write("etc/subuid", "packer:100000:65536\ndev:165536:65536\n")
    machine.write("etc/passwd-", PASSWD)
    machine.write(
        "etc/fstab",
        kept["etc/fstab"] + "/dev/disk/cloud/azure_resource-part1 /mnt auto nofail,comment=cloudconfig 0 2\n",
    )
    before = machine.look("verify", booted=_LATER)
    assert len(before) >= len(LEFT) + len(MADE_AGAIN)
    _without_builder(machine)
    done = _forget(machine)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert machine.look("verify", booted=_LATER) == []
    assert {name: (machine.root / name).read_text("utf-8") for name in kept} == kept
    assert "packer" not in (machine.root / "etc/passwd-").read_text("utf-8")


def test_deprovisioning_can_be_repeated_and_needs_nothing(machine: Machine) -> None:
    assert (_forget(machine).returncode, _forget(machine, user="").returncode) == (0, 0)
    assert (machine.root / "etc/passwd").read_text("utf-8") == PASSWD


@pytest.mark.parametrize(
    "rule",
    [
        "packer ALL=(ALL) NOPASSWD:ALL\n",
        "\tpacker\tALL = ALL\n",
        "dev, packer ALL=(ALL) ALL\n",
        "dev,\\\n  packer ALL=(ALL) ALL\n",
        '"packer" ALL=(ALL) ALL',
        "User_Alias ADMINS = dev, packer\nADMINS ALL=(ALL) ALL\n",
        "User_Alias ADMINS=packer\n",
    ],
)
def test_deprovisioning_fails_where_a_rule_of_sudo_still_names_the_user(machine: Machine, rule: str) -> None:
    machine.write("etc/sudoers.d/mine", f"Defaults env_reset\n{rule}")
    done = _forget(machine)
    assert done.returncode == 1
    assert "a rule of sudo in /etc/sudoers.d/mine names packer" in done.stderr


@pytest.mark.parametrize(
    "rule",
    [
        "dev ALL=(root) NOPASSWD: /usr/bin/packer build\n",
        "dev ALL=(packer) ALL\n",
        "Cmnd_Alias TOOLS = /usr/bin/packer\n",
        "# packer ALL=(ALL) ALL\n",
        "%packer ALL=(ALL) ALL\n",
        "packer-svc ALL=(ALL) ALL\n",
        "@includedir /etc/packer\n",
        "",
    ],
)
def test_deprovisioning_goes_on_where_the_name_is_another_word_of_a_rule(machine: Machine, rule: str) -> None:
    machine.write("etc/sudoers.d/mine", rule)
    assert (_forget(machine).returncode, _forget(machine).stderr) == (0, "")


def test_deprovisioning_takes_no_path_for_a_user(machine: Machine) -> None:
    assert _forget(machine, user="../etc").returncode == 2
    assert _forget(machine, user="..").returncode == 2
