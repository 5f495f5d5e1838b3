"""The proof of FIPS mode reads files, so a step that replaces or diverts the programs that answer is seen."""

import ast
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import fips_proof
import pytest
import yaml

from tests.unit.images import fips_machine
from tests.unit.images.fips_machine import ENTRY, OPTIONS, RELEASE, write
from tests.unit.images.places import IMAGES
from tests.unit.images.stand_ins import StandIn

ETC = "etc/crypto-policies"
SHARED = "usr/share/crypto-policies"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "machine"
    fips_machine.make(folder)
    return folder


def found(root: Path) -> dict[str, list[str]]:
    """The findings of each part, of a machine whose packages are those it was made with."""
    known = packages[root]

    def vouch(path: str, sha256: str) -> str | None:
        return "a package" if known.get(path.removeprefix(str(root))) == sha256 else None

    parts: dict[str, Iterator[str]] = {
        "kernel": fips_proof.kernel(root),
        "boot": fips_proof.boot(root),
        "updates": fips_proof.updates(root),
        "policy": fips_proof.policy(root),
        "sub-policy": fips_proof.sub_policy(root),
        "files": fips_proof.files(root, vouch),
    }
    return {part: lines for part, each in parts.items() if (lines := list(each))}


packages: dict[Path, dict[str, str]] = {}


@pytest.fixture(autouse=True)
def listed(root: Path) -> Iterator[None]:
    """What the packages list, before anything is changed."""
    packages[root] = fips_machine.packages(root)
    yield
    del packages[root]


def test_a_machine_in_fips_mode_has_no_finding(root: Path) -> None:
    assert found(root) == {}


def _append(name: str, text: str) -> Callable[[Path], None]:
    return lambda root: write(root, name, (root / name).read_text("utf-8") + text)


def _replace(name: str, text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / name).unlink(missing_ok=True)
        write(root, name, text)

    return change


def _link(name: str, target: str, text: str | None = None) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(target)
        if text is not None:
            write(root, target.lstrip("/"), text)

    return change


def _remove(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def _options(text: str) -> Callable[[Path], None]:
    return _replace(ENTRY, f"title RHEL\noptions {text}\n")


CHANGES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "the kernel is off": (_replace("proc/sys/crypto/fips_enabled", "0\n"), "kernel", "says 0"),
    "the kernel has no such mode": (
        _remove("proc/sys/crypto/fips_enabled"),
        "kernel",
        "says nothing",
    ),
    "a file over the kernel's answer": (
        _append("proc/self/mountinfo", "99 22 253:0 /one /proc/sys/crypto/fips_enabled rw - xfs /dev/x rw\n"),
        "kernel",
        "mounted at /proc/sys/crypto/fips_enabled",
    ),
    "a folder over the kernel's answer": (
        _append("proc/self/mountinfo", "99 22 0:9 / /proc/sys rw shared:4 - tmpfs none rw\n"),
        "kernel",
        "mounted at /proc/sys",
    ),
    "another /proc": (
        _append("proc/self/mountinfo", "99 60 0:9 / /proc rw - tmpfs none rw\n"),
        "kernel",
        "proc, tmpfs",
    ),
    "no argument": (_options("root=/dev/x ro nofips=1 xfips=1"), "boot", "no fips=1"),
    "an argument that is taken back": (_options(f"{OPTIONS} fips=0"), "boot", "another value"),
    "a variable that takes it back": (
        _append("boot/grub2/grubenv", "\ntuned_params=fips=0\n"),
        "boot",
        "another value",
    ),
    "a second entry": (
        _replace("boot/loader/entries/2.conf", "title other\noptions root=/dev/x\n"),
        "boot",
        "2.conf",
    ),
    "no entry": (_remove(ENTRY), "boot", "has no entry"),
    "a line of GRUB's own menu": (
        _append("boot/grub2/grub.cfg", "menuentry x {\n  linux /vmlinuz root=/dev/x ro\n}\n"),
        "boot",
        "grub.cfg starts a kernel",
    ),
    "another policy": (lambda root: fips_machine.set_policy(root, "DEFAULT"), "policy", "says DEFAULT"),
    "a sub-policy that weakens it": (
        lambda root: fips_machine.set_policy(root, "FIPS:NO-ENFORCE-EMS"),
        "sub-policy",
        "state/current says FIPS:NO-ENFORCE-EMS",
    ),
    "a sub-policy that DISA allows where it is needed": (
        lambda root: fips_machine.set_policy(root, "FIPS:AD-SUPPORT"),
        "sub-policy",
        "config says FIPS:AD-SUPPORT",
    ),
    "two sub-policies, which the guide refuses": (
        lambda root: fips_machine.set_policy(root, "FIPS:OSPP:NO-SHA1"),
        "sub-policy",
        "says FIPS:OSPP:NO-SHA1",
    ),
    "a sub-policy on a second line": (
        _append(f"{ETC}/config", "\n# a comment\nNO-ENFORCE-EMS # a need\n"),
        "sub-policy",
        "config says FIPS:NO-ENFORCE-EMS",
    ),
    "a sub-policy in small letters": (
        _append(f"{ETC}/config", "no-enforce-ems\n"),
        "sub-policy",
        "config says FIPS:NO-ENFORCE-EMS",
    ),
    "an empty sub-policy": (
        _replace(f"{ETC}/config", "FIPS:\n"),
        "sub-policy",
        "config says FIPS:",
    ),
    "an update without the argument": (
        _replace("etc/kernel/cmdline", "root=/dev/x ro nofips=1\n"),
        "updates",
        "/etc/kernel/cmdline has no fips=1",
    ),
    "an update whose arguments are empty": (
        _replace("etc/kernel/cmdline", ""),
        "updates",
        "/etc/kernel/cmdline has no fips=1",
    ),
    "an update with a link that leads nowhere": (
        _link("etc/kernel/cmdline", "gone"),
        "updates",
        "/etc/kernel/cmdline has no fips=1",
    ),
    "an update whose arguments take it back": (
        _append("etc/default/grub", "GRUB_CMDLINE_LINUX+=' fips=0'\n"),
        "updates",
        "GRUB_CMDLINE_LINUX in /etc/default/grub",
    ),
    "a default that takes it back": (
        _append("etc/default/grub", 'export GRUB_CMDLINE_LINUX_DEFAULT="quiet fips=0"\n'),
        "updates",
        "GRUB_CMDLINE_LINUX in /etc/default/grub",
    ),
    "GRUB's arguments without it": (
        _append("etc/default/grub", "GRUB_CMDLINE_LINUX=quiet\n#GRUB_CMDLINE_LINUX=fips=1\n"),
        "updates",
        "GRUB_CMDLINE_LINUX in /etc/default/grub",
    ),
    "another state": (_replace(f"{ETC}/state/current", "LEGACY\n"), "policy", "state/current says LEGACY"),
    "no state": (_remove(f"{ETC}/state/current"), "policy", "says nothing"),
    "a policy of the machine's own": (
        _replace(f"{ETC}/policies/FIPS.pol", "cipher = *\n"),
        "policy",
        "takes the place",
    ),
    "a link in the place of a policy": (
        _link(f"{ETC}/policies/FIPS.pol", "gone"),
        "policy",
        "takes the place",
    ),
    "another fips-mode-setup": (
        _replace("usr/bin/fips-mode-setup", "#!/bin/sh\necho FIPS mode is enabled.\n"),
        "files",
        "/usr/bin/fips-mode-setup is not",
    ),
    "another update-crypto-policies": (
        _replace("usr/bin/update-crypto-policies", "#!/bin/sh\necho FIPS\n"),
        "files",
        "/usr/bin/update-crypto-policies is not",
    ),
    "a link to another program": (
        _link("usr/bin/rpm", "/opt/rpm", "#!/bin/sh\n"),
        "files",
        "/usr/bin/rpm is not",
    ),
    "another provider": (_replace("usr/lib64/ossl-modules/fips.so", "x"), "files", "fips.so is not"),
    "another library": (_replace("usr/lib64/libcrypto.so.3.2.2", "x"), "files", "libcrypto.so.3 is not"),
    "another kernel": (_replace(f"boot/vmlinuz-{RELEASE}", "x"), "files", f"/boot/vmlinuz-{RELEASE} is not"),
    "no kernel": (_remove(f"boot/vmlinuz-{RELEASE}"), "files", "is not the kernel"),
    "the vendor's policy changed": (_append(f"{SHARED}/policies/FIPS.pol", "x"), "files", "FIPS.pol is not"),
    "the vendor's settings changed": (
        _append(f"{SHARED}/FIPS/openssl.txt", "x"),
        "files",
        "openssl.txt is not",
    ),
    "settings of a library": (
        _replace(f"{ETC}/back-ends/openssl.config", "CipherString = ALL\n"),
        "files",
        "openssl.config is not the vendor's",
    ),
    "settings that begin otherwise": (
        _replace(f"{ETC}/back-ends/nss.config", "library=p11-kit-proxy.so\nnss for FIPS\n"),
        "files",
        "nss.config is not the vendor's",
    ),
    "settings by a link elsewhere": (
        _link(f"{ETC}/back-ends/gnutls.config", f"/{SHARED}/LEGACY/gnutls.txt", "gnutls for all\n"),
        "files",
        "gnutls.config is not the vendor's",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_a_step_changes_is_found_by_the_part_that_is_about_it(root: Path, case: str) -> None:
    change, part, said = CHANGES[case]
    change(root)
    lines = found(root)
    assert [*lines] == [part]
    assert said in "\n".join(lines[part])


NOT_FOUND: dict[str, Callable[[Path], None]] = {
    "the policy in small letters": _replace(f"{ETC}/config", "fips\n"),
    "one sub-policy on a second line": _append(f"{ETC}/config", "ospp\n"),
    "no file of arguments": _remove("etc/kernel/cmdline"),
    "no file of GRUB": _remove("etc/default/grub"),
    "arguments that add to those before": _append(
        "etc/default/grub", 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX quiet \\$tuned_params"\n'
    ),
}


@pytest.mark.parametrize("case", NOT_FOUND)
def test_what_the_vendors_tools_read_as_the_same_is_no_finding(root: Path, case: str) -> None:
    NOT_FOUND[case](root)
    assert found(root) == {}


def test_settings_of_a_sub_policy_are_not_compared_and_those_of_openssh_are(root: Path) -> None:
    write(root, f"{ETC}/back-ends/other.config", "")
    assert found(root) == {}
    _replace(f"{ETC}/back-ends/openssh.config", "Ciphers aes256-ctr\n")(root)
    assert "openssh.config is not the vendor's" in found(root)["files"][0]
    fips_machine.set_policy(root, "FIPS:STIG")
    _replace(f"{ETC}/back-ends/openssl.config", "stricter\n")(root)
    assert found(root) == {}
    fips_machine.set_policy(root, "FIPS")
    _replace(f"{ETC}/back-ends/openssl.config", "stricter\n")(root)
    assert [*found(root)] == ["files"]


@pytest.mark.parametrize("name", ["grub2/grubenv", "loader/entries"])
def test_an_argument_that_comes_from_a_variable_counts(root: Path, name: str) -> None:
    _options("root=/dev/x $kernelopts")(root)
    _replace("etc/kernel/cmdline", "root=/dev/x ${kernelopts}\n")(root)
    _append("boot/grub2/grubenv", "\nkernelopts=ro fips=1\n")(root)
    assert found(root) == {}
    if name == "grub2/grubenv":
        (root / "boot/grub2/grubenv").unlink()
        assert [*found(root)] == ["boot", "updates"]
    else:
        _options("root=/dev/x")(root)
        assert [*found(root)] == ["boot"]


@pytest.mark.process
def test_without_a_database_of_packages_no_file_is_proved(root: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    machine = StandIn(tmp_path / "work")
    machine.environment["IMAGEFACTORY_SYSTEM"] = str(root)
    machine.tool("fips-mode-setup", "exit 1")
    parts = ("kernel", "boot", "updates", "policy", "sub-policy")
    for part, code in {**dict.fromkeys(parts, 0), "files": 1}.items():
        done = machine.run("fips/check.sh", part)
        assert done.returncode == code, done.stderr
    assert machine.calls == []  # no program of the image was asked


def test_the_booted_machine_is_asked_for_each_part_by_a_test_of_its_own() -> None:
    tests = yaml.safe_load((IMAGES / "platform" / "verify" / "fips.yaml").read_text("utf-8"))["command"]
    asked = [
        each["exec"].rsplit(" ", 1)[-1] for each in tests.values() if "fips/check.sh" in each.get("exec", "")
    ]
    assert asked == ["kernel", "boot", "updates", "policy", "sub-policy", "files"]


def test_the_proof_runs_on_python_3_9() -> None:
    tree = ast.parse(
        (IMAGES / "platform" / "fips" / "fips_proof.py").read_text("utf-8"), feature_version=(3, 9)
    )
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    assert {name.split(".")[0] for name in names} - {"scanner", *sys.stdlib_module_names} == set()


FACTS: list[dict[str, str]] = json.loads((Path(__file__).parent / "fips_files.json").read_text("utf-8"))[
    "files"
]


def test_each_program_that_is_asked_for_is_one_that_a_package_of_rhel_lists() -> None:
    listed = {each["path"] for each in FACTS}
    assert {f"/{name}" for name in fips_proof._PROGRAMS} == {
        path for path in listed if "/modules/" not in path and not path.startswith(f"/{SHARED}/FIPS/")
    }
    assert all(each["source"] for each in FACTS)


def test_the_machine_of_the_tests_has_the_files_that_the_packages_list(root: Path) -> None:
    listed = {each["path"].replace("RELEASE", RELEASE) for each in FACTS}
    # A package lists the file behind a link of libraries too, and its settings one by one.
    known = {path.replace(".so.3.2.2", ".so.3") for path in packages[root]}
    assert listed - known == set()
    assert {path for path in known - listed if not path.startswith(f"/{SHARED}/FIPS/")} == set()
    assert {each["path"] for each in FACTS if each.get("link")} == {"/usr/lib64/libcrypto.so.3"}
    assert (root / "usr/lib64/libcrypto.so.3").is_symlink()
