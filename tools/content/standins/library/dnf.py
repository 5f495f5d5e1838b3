#!/usr/bin/python
"""Ansible's module `dnf` for the made root: empty packages of the right names, and the files that some bring."""

import subprocess
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-not-found,unused-ignore]  # the guest's

_AIDE = "@@define DBDIR /var/lib/aide\n@@define LOGDIR /var/log/aide\ndatabase=file:@@{DBDIR}/aide.db.gz\n\
database_out=file:@@{DBDIR}/aide.db.new.gz\nCONTENT = sha512+ftype\nNORMAL = sha512\nPERMS = p+u+g\n/etc NORMAL\n"
BRINGS = {
    "aide": {"/etc/aide.conf": _AIDE},
    "fapolicyd": {"/usr/lib/systemd/system/fapolicyd.service": "[Service]\n"},
    "usbguard": {
        "/usr/lib/systemd/system/usbguard.service": "[Service]\n",
        "/etc/usbguard/usbguard-daemon.conf": "\n",
    },
    "pcsc-lite": {"/usr/lib/systemd/system/pcscd.socket": "[Socket]\n"},
    "libreswan": {
        "/etc/ipsec.conf": "config setup\n\ninclude /etc/crypto-policies/back-ends/libreswan.config\n",
    },
    "tmux": {},
}
_SPEC = (
    "Name: {0}\nVersion: 1\nRelease: 1.el9\nSummary: made\nLicense: none\nBuildArch: noarch\n"
    "%description\nmade\n%files\n"
)


def installed(name: str) -> bool:
    """Whether the database has it."""
    return subprocess.run(["/usr/bin/rpm", "-q", name], capture_output=True, check=False).returncode == 0


def install(name: str) -> None:
    """An empty package, built here."""
    with tempfile.TemporaryDirectory() as work:
        Path(work, "x.spec").write_text(_SPEC.format(name), "utf-8")
        build = ["/usr/bin/rpmbuild", "-bb", "--quiet", "--define", f"_topdir {work}", f"{work}/x.spec"]
        subprocess.run(build, check=True, capture_output=True)
        (made,) = Path(work).rglob("*.noarch.rpm")
        subprocess.run(
            ["/usr/bin/rpm", "-i", "--justdb", "--nodeps", "--nosignature", str(made)],
            check=True,
            capture_output=True,
        )
    for path, text in BRINGS.get(name, {}).items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if not Path(path).exists():
            Path(path).write_text(text, "utf-8")


def main() -> None:
    """The words of the real module that the playbooks use."""
    spec = {
        "name": {"type": "list", "elements": "str", "aliases": ["pkg"]},
        "state": {},
        "security": {"type": "bool"},
    }
    module = AnsibleModule(spec, supports_check_mode=True)
    wanted, gone, changed = (
        module.params["name"] or [],
        module.params["state"] in ("absent", "removed"),
        False,
    )
    for name in wanted:
        if name == "*" or installed(name) is not gone:
            continue
        changed = True
        if gone:
            subprocess.run(
                ["/usr/bin/rpm", "-e", "--justdb", "--nodeps", name], check=True, capture_output=True
            )
        else:
            install(name)
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
