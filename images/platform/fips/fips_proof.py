"""Proves FIPS mode from files, and from no program that an image's step can replace: `fips_proof.py ROOT PART...`.

ROOT is the machine, or a folder that stands for it in tests. The parts:

    kernel      the running kernel says so, and nothing is mounted over its answer
    boot        every entry of the boot menu has fips=1, and no later word takes it back
    updates     the entry of a kernel that an update brings will have it too
    policy      the crypto policy is FIPS, and no file of the machine takes the place of the vendor's policy
    sub-policy  it is FIPS alone, or with one sub-policy of a closed list
    files       the programs and libraries are the vendor's, by digest; so are the libraries' settings

It prints a line for each finding and ends with 1 if there is one. Without sub-policy the libraries' settings must begin
with the vendor's; what `local.d` adds behind them is not judged. A step that replaces Python, rpm and its database at
once is not seen.

Runs in the guest: RHEL 9's own Python 3.9, standard library only.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from scanner.provenance.rpms import Rpms

_ENABLED = "proc/sys/crypto/fips_enabled"
_SHARED = "usr/share/crypto-policies"
_ETC = "etc/crypto-policies"
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")
_MENU = re.compile(r"\s*linux(?:16|efi)?\s+\S+(.*)")
_ASSIGNED = re.compile(r"\s*(?:export\s+)?(\w+)(\+?)=(.*)")
# What enforces FIPS, and what is asked about it elsewhere. A package of Red Hat brings each to RHEL 9.
_PROGRAMS = (
    "usr/bin/bash",
    "usr/bin/fips-mode-setup",
    "usr/bin/rpm",
    "usr/bin/update-crypto-policies",
    "usr/lib64/libcrypto.so.3",
    "usr/lib64/ossl-modules/fips.so",
    f"{_SHARED}/policies/FIPS.pol",
)
# Those that the guide's rule fips_crypto_subpolicy allows, one at a time, and STIG, which the guide itself sets. DISA
# lets a documented need keep AD-SUPPORT or NO-ENFORCE-EMS: that is what a waiver of the test is for.
_SUB_POLICIES = frozenset(("ECDHE-ONLY", "NO-CAMELLIA", "NO-SHA1", "OSPP", "STIG"))
# The arguments of a kernel that an update brings: kernel-install reads the first, grub2-mkconfig the second.
_CMDLINE, _GRUB = "etc/kernel/cmdline", "etc/default/grub"
_POLICIES = ("config", "state/current")
_MOST = 1 << 20  # bytes of one file of settings

Vouch = Callable[[str, str], "str | None"]


def kernel(root: Path) -> Iterator[str]:
    """Findings about what runs now."""
    enabled = _text(root / _ENABLED).strip()
    if enabled != "1":
        yield f"the kernel says {enabled or 'nothing'} in /{_ENABLED}"
    mounts = [line.split() for line in _text(root / "proc/self/mountinfo").splitlines()]
    places = [(fields[4], fields[fields.index("-") + 1]) for fields in mounts if "-" in fields[:-1]]
    kinds = [kind for place, kind in places if place == "/proc"]
    if kinds != ["proc"]:
        yield f"/proc is mounted as {', '.join(kinds) or 'nothing'}: its answer is not the kernel's"
    covered = f"/{_ENABLED}"
    for place, _ in places:
        if place.startswith("/proc/") and (covered == place or covered.startswith(f"{place}/")):
            yield f"something is mounted at {place}: its answer is not the kernel's"


def boot(root: Path) -> Iterator[str]:
    """Findings about each start of the machine: entries of the Boot Loader Specification, and lines of GRUB's own."""
    variables = _variables(root)
    entries = sorted((root / "boot/loader/entries").glob("*.conf"))
    if not entries:
        yield "/boot/loader/entries has no entry"
    for path in entries:
        lines = [line.split(None, 1) for line in _text(path).splitlines()]
        options = " ".join(words[1] for words in lines if len(words) == 2 and words[0] == "options")
        if not _starts_with_fips(options, variables):
            yield f"the entry {path.name} of the boot menu has no fips=1, or another value after it"
    for path in sorted([*(root / "boot/grub2").glob("*.cfg"), *(root / "boot/efi/EFI").glob("*/*.cfg")]):
        for found in filter(None, map(_MENU.fullmatch, _text(path).splitlines())):
            if not _starts_with_fips(found[1], variables):
                yield f"/{path.relative_to(root)} starts a kernel without fips=1"


def updates(root: Path) -> Iterator[str]:
    """Findings about what the entry of the next kernel is made from. Without these files it is this kernel's."""
    if os.path.lexists(root / _CMDLINE) and not _starts_with_fips(_text(root / _CMDLINE), _variables(root)):
        yield f"/{_CMDLINE} has no fips=1, or another value after it"
    if os.path.lexists(root / _GRUB) and not _starts_with_fips(_grub_options(_text(root / _GRUB)), {}):
        yield f"GRUB_CMDLINE_LINUX in /{_GRUB} has no fips=1, or another value after it"


def policy(root: Path) -> Iterator[str]:
    """Findings about the crypto policy, whatever its sub-policies are."""
    for name in _POLICIES:
        said = _policy(root, name)
        if said.split(":")[0] != "FIPS":
            yield f"/{_ETC}/{name} says {said or 'nothing'}"
    if os.path.lexists(root / _ETC / "policies/FIPS.pol"):
        yield f"/{_ETC}/policies/FIPS.pol takes the place of the vendor's policy"


def sub_policy(root: Path) -> Iterator[str]:
    """Findings about the sub-policies."""
    for name in _POLICIES:
        said = _policy(root, name)
        added = said.split(":")[1:]
        if len(added) > 1 or not _SUB_POLICIES.issuperset(added):
            yield f"/{_ETC}/{name} says {said}: not one of {', '.join(sorted(_SUB_POLICIES))} alone"


def files(root: Path, vouch: Vouch) -> Iterator[str]:
    """Findings about programs, libraries, the kernel and the libraries' settings. `vouch`: path and SHA-256."""
    for name in _PROGRAMS:
        if not _is_vendors(root, name, vouch):
            yield f"/{name} is not as a vendor's package brought it"
    yield from _kernel_image(root, vouch)
    given = sorted((root / _SHARED / "FIPS").glob("*.txt"))
    if not given:
        yield f"/{_SHARED}/FIPS has no settings of the libraries"
    for path in given:
        if not _is_vendors(root, str(path.relative_to(root)), vouch):
            yield f"/{path.relative_to(root)} is not as a vendor's package brought it"
        elif ":" in _policy(root, "state/current"):
            continue
        elif not _text(_inside(root, f"{_ETC}/back-ends/{path.stem}.config")).startswith(_text(path)):
            yield f"/{_ETC}/back-ends/{path.stem}.config is not the vendor's for FIPS"


def _kernel_image(root: Path, vouch: Vouch) -> Iterator[str]:
    """The kernel that runs is started from /boot, and its package brings the same file below /usr/lib/modules."""
    release = platform.release() if str(root) == "/" else _text(root / "proc/sys/kernel/osrelease").strip()
    started = _digest(root / f"boot/vmlinuz-{release}")
    # The package lists it by a link: /lib is /usr/lib.
    names = [f"/{folder}/modules/{release}/vmlinuz" for folder in ("lib", "usr/lib")]
    if not started or not any(vouch(f"{_prefix(root)}{name}", started) for name in names):
        yield f"/boot/vmlinuz-{release} is not the kernel of a vendor's package"


def _variables(root: Path) -> dict[str, str]:
    lines = _text(root / "boot/grub2/grubenv").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _starts_with_fips(options: str, variables: Mapping[str, str]) -> bool:
    """True if the last word about FIPS, which counts, switches it on. Unknown variables are empty, as in GRUB."""
    words = _VARIABLE.sub(lambda found: variables.get(found[1], ""), options).split()
    values = [word.partition("=")[2] for word in words if word.startswith("fips=")]
    return bool(values) and values[-1] == "1"


def _grub_options(text: str) -> str:
    """What grub2-mkconfig takes: a shell's assignments, the last of which counts, and behind them those of DEFAULT."""
    values: dict[str, str] = {}
    for found in filter(None, map(_ASSIGNED.fullmatch, text.splitlines())):
        name, adds, value = found.groups()
        value = _VARIABLE.sub(lambda each: values.get(each[1], ""), value.replace('"', "").replace("'", ""))
        values[name] = f"{values.get(name, '')}{value}" if adds else value
    return f"{values.get('GRUB_CMDLINE_LINUX', '')} {values.get('GRUB_CMDLINE_LINUX_DEFAULT', '')}"


def _policy(root: Path, name: str) -> str:
    """As the vendor's tool reads it: in capitals, and each line behind the first has more sub-policies."""
    lines = (line.partition("#")[0].strip() for line in _text(root / _ETC / name).splitlines())
    return ":".join(filter(None, lines)).upper()


def _is_vendors(root: Path, name: str, vouch: Vouch) -> bool:
    path = _inside(root, name)
    digest = _digest(path)
    return bool(digest) and vouch(f"{_prefix(root)}/{path.relative_to(root)}", digest) is not None


def _inside(root: Path, name: str) -> Path:
    """The file that a name leads to, with the links of the machine and not with those of a test."""
    path = root / name
    for _ in range(8):
        if not path.is_symlink():
            break
        target = os.readlink(path)
        path = Path(
            os.path.normpath(root / target.lstrip("/") if target.startswith("/") else path.parent / target)
        )
    return path


def _prefix(root: Path) -> str:
    return "" if str(root) == "/" else str(root)


def _digest(path: Path) -> str:
    """Empty where there is no file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _text(path: Path) -> str:
    """Empty for what cannot be read: each part takes that as a finding."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST).decode("utf-8", "replace")
    except OSError:
        return ""


def main(words: Sequence[str]) -> int:
    """Print what is wrong with the parts that are named; return the exit code."""
    root = Path(words[0])
    rpms = Rpms(root=_prefix(root), note=lambda line: print(f"fips: {line}", file=sys.stderr))
    parts: dict[str, Callable[[], Iterator[str]]] = {
        "kernel": lambda: kernel(root),
        "boot": lambda: boot(root),
        "updates": lambda: updates(root),
        "policy": lambda: policy(root),
        "sub-policy": lambda: sub_policy(root),
        "files": lambda: files(root, rpms.vouch),
    }
    found = [f"fips: {line}" for word in words[1:] for line in parts[word]()]
    print("\n".join(found) or f"fips: {', '.join(words[1:])}: as it must be", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
