"""A folder that stands for a machine in FIPS mode, and the vendor's packages that vouch for its files."""

import hashlib
from pathlib import Path
from typing import Final

RELEASE: Final = "5.14.0-570.el9.x86_64"
OPTIONS: Final = "root=/dev/mapper/rootvg-rootlv ro fips=1 boot=UUID=1 $tuned_params"
ENTRY: Final = f"boot/loader/entries/1-{RELEASE}.conf"
LIBRARIES: Final = ("gnutls", "nss", "openssh", "openssl")
_SHARED = "usr/share/crypto-policies"
_PROGRAMS = (
    *("usr/bin/bash", "usr/bin/rpm", "usr/bin/fips-mode-setup", "usr/bin/update-crypto-policies"),
    *("usr/lib64/libcrypto.so.3.2.2", "usr/lib64/ossl-modules/fips.so", f"{_SHARED}/policies/FIPS.pol"),
)
_MOUNTS = """\
22 60 0:21 / /proc rw,nosuid shared:12 - proc proc rw
30 22 0:28 / /proc/sys/fs/binfmt_misc rw shared:13 - autofs systemd-1 rw
60 1 253:0 / / rw shared:1 - xfs /dev/mapper/rootvg-rootlv rw
"""


def make(root: Path) -> None:
    """Fill the new folder `root`."""
    texts = {
        "proc/sys/crypto/fips_enabled": "1\n",
        "proc/sys/kernel/osrelease": f"{RELEASE}\n",
        "proc/self/mountinfo": _MOUNTS,
        "boot/grub2/grubenv": "# GRUB Environment Block\nsaved_entry=1\ntuned_params=quiet\n######",
        "boot/grub2/grub.cfg": "set timeout=1\nblscfg\n",
        # As grubby --update-kernel=ALL leaves them.
        "etc/kernel/cmdline": OPTIONS.replace("$tuned_params", "quiet\n"),
        "etc/default/grub": 'GRUB_TIMEOUT=10\nGRUB_CMDLINE_LINUX="console=ttyS0 fips=1 boot=UUID=1"\n',
        f"boot/vmlinuz-{RELEASE}": "the kernel",
        f"usr/lib/modules/{RELEASE}/vmlinuz": "the kernel",
        ENTRY: f"title RHEL\nlinux /vmlinuz-{RELEASE}\noptions {OPTIONS}\ngrub_class rhel\n",
        **{name: f"the vendor's {name}\n" for name in _PROGRAMS},
        **{f"{_SHARED}/FIPS/{each}.txt": f"{each} for FIPS\n" for each in LIBRARIES},
    }
    for name, text in texts.items():
        write(root, name, text)
    (root / "usr/lib64/libcrypto.so.3").symlink_to("libcrypto.so.3.2.2")
    set_policy(root, "FIPS")


def set_policy(root: Path, policy: str) -> None:
    """As the vendor's tool does: a link for each library; a file where something of the machine is added."""
    for name in ("config", "state/current"):
        write(root, f"etc/crypto-policies/{name}", f"# a comment\n{policy}\n")
    for library in LIBRARIES:
        link = root / "etc/crypto-policies/back-ends" / f"{library}.config"
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(f"/{_SHARED}/FIPS/{library}.txt")
    given = (root / _SHARED / "FIPS/nss.txt").read_text("utf-8")
    (root / "etc/crypto-policies/back-ends/nss.config").unlink()
    write(root, "etc/crypto-policies/back-ends/nss.config", f"{given}library=p11-kit-proxy.so\n")


def write(root: Path, name: str, text: str) -> None:
    """Write one file of the machine."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def packages(root: Path) -> dict[str, str]:
    """SHA-256 by path, as the packages of the machine list them. The kernel's is listed by a link, /lib."""
    names = [*_PROGRAMS, *(f"{_SHARED}/FIPS/{each}.txt" for each in LIBRARIES)]
    listed = {f"/{name}": hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names}
    kernel = (root / f"usr/lib/modules/{RELEASE}/vmlinuz").read_bytes()
    return {**listed, f"/lib/modules/{RELEASE}/vmlinuz": hashlib.sha256(kernel).hexdigest()}
