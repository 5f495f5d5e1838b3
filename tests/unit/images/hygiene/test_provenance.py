"""A package vouches for a file that it lists with its digest; not for one that was changed, added or forged badly."""

import base64
import csv
import hashlib
import io
import shutil
import stat
from pathlib import Path

import pytest
from scanner.provenance import rpms, vendors, wheels

from tests.unit.images.hygiene import made
from tests.unit.images.hygiene.machine import Machine

pytestmark = pytest.mark.process

_SITE = "opt/app/venv/lib/python3.11/site-packages"
_INFO = f"{_SITE}/acme-1.0.dist-info"


def install(
    machine: Machine, files: dict[str, str], *, listed: dict[str, str] | None = None, site: str = _SITE
) -> None:
    """A wheel, as pip installs it by name. `listed` has other names or contents in the RECORD."""
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    for name, content in files.items():
        machine.write(f"{site}/{name}", content)
    for name, content in {**files, **(listed or {})}.items():
        writer.writerow((name, f"sha256={_digest(content)}", len(content)))
    writer.writerow(("acme-1.0.dist-info/RECORD", "", ""))
    machine.write(f"{site}/acme-1.0.dist-info/RECORD", rows.getvalue())
    machine.write(f"{site}/acme-1.0.dist-info/INSTALLER", "pip\n")


def _digest(content: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")


def test_a_test_key_of_a_package_is_judged_by_the_package_and_shown(machine: Machine) -> None:
    install(machine, {"acme/test/server.pem": made.key(), "acme/docs.md": made.token()})
    said = machine.answer()
    assert said.output == ""
    assert [note.partition(" (")[2] for note in said.notes] == ["wheel acme-1.0)"] * 2
    report = machine.report()
    assert (report["passed"], report["count"], report["findings"]) == (True, 0, [])
    assert {(each["path"], each["rule"], each["package"]) for each in report["judged"]} == {
        (f"/{_SITE}/acme/test/server.pem", "private-key", "wheel acme-1.0"),
        (f"/{_SITE}/acme/docs.md", "token", "wheel acme-1.0"),
    }
    assert {each["sha256"] for each in report["judged"]} == {
        hashlib.sha256(text.encode()).hexdigest() for text in (made.key(), made.token())
    }


def test_it_is_judged_so_on_the_booted_machine_too(machine: Machine) -> None:
    install(machine, {"acme/test/server.pem": made.key()})
    report = machine.report("verify", booted=2**33)
    assert f"/{_SITE}/acme/test/server.pem" in {each["path"] for each in report["judged"]}


SABOTAGE = {
    "a key beside the package": {f"{_SITE}/acme/own.pem": made.key()},
    "a key in the folder of packages": {f"{_SITE}/own.pem": made.key()},
    "a key above the packages": {"opt/app/own.pem": made.key()},
    "a file that was changed after": {f"{_SITE}/acme/test/server.pem": made.key() + "\n"},
    "a secret appended to a listed file": {
        f"{_SITE}/acme/keys.py": f"HEADER = 1\nTOKEN = '{made.token()}'\n"
    },
    "a token in the RECORD itself": {f"{_INFO}/extra": made.token()},
}


@pytest.mark.parametrize("files", SABOTAGE.values(), ids=SABOTAGE.keys())
def test_a_secret_that_the_package_did_not_bring_is_found(machine: Machine, files: dict[str, str]) -> None:
    install(machine, {"acme/keys.py": "HEADER = 1\n", "acme/test/server.pem": made.key()})
    assert machine.look() == []
    for name, content in files.items():
        machine.write(name, content)
    (finding,) = machine.look()
    assert finding.startswith(tuple(f"/{name}: " for name in files))


def test_a_secret_in_the_record_itself_is_found(machine: Machine) -> None:
    install(machine, {"acme/keys.py": "HEADER = 1\n"})
    record = machine.root / _INFO / "RECORD"
    record.write_text(record.read_text("utf-8") + f"acme/{made.token()},,\n", "utf-8")
    (finding,) = machine.look()
    assert finding.startswith(f"/{_INFO}/RECORD: ")


def test_a_file_that_is_listed_without_a_digest_is_not_proven(machine: Machine) -> None:
    install(machine, {"acme/keys.py": "HEADER = 1\n"})
    record = machine.root / _INFO / "RECORD"
    record.write_text(record.read_text("utf-8") + "acme/own.pem,,\n", "utf-8")
    machine.write(f"{_SITE}/acme/own.pem", made.key())
    assert len(machine.look()) == 1


@pytest.mark.parametrize(
    "name", ["../../../own.pem", "acme/../../../../own.pem", "{root}/opt/app/venv/own.pem"]
)
def test_a_package_does_not_vouch_for_a_file_elsewhere(machine: Machine, name: str) -> None:
    install(machine, {"acme/keys.py": "HEADER = 1\n"}, listed={name.format(root=machine.root): made.key()})
    machine.write("opt/app/venv/own.pem", made.key())
    assert len(machine.look()) == 1


def test_a_package_that_came_from_a_file_may_be_the_teams_own_and_vouches_for_nothing(
    machine: Machine,
) -> None:
    install(machine, {"acme/test/server.pem": made.key()})
    machine.write(f"{_INFO}/direct_url.json", '{"url": "file:///tmp/acme-1.0-py3-none-any.whl"}')
    assert len(machine.look()) == 1


def test_a_package_that_was_only_unzipped_vouches_for_nothing(machine: Machine) -> None:
    install(machine, {"acme/test/server.pem": made.key()})
    (machine.root / _INFO / "INSTALLER").unlink()
    assert len(machine.look()) == 1


@pytest.mark.parametrize(
    ("site", "count"),
    [
        ("opt", 1),
        ("opt/app/vendor", 1),
        ("opt/site-packages/app", 1),
        ("usr/local/lib/python3.9/site-packages", 0),
        ("usr/local/lib/python3/dist-packages", 0),
    ],
)
def test_a_package_counts_only_in_a_folder_that_python_has_for_packages(
    machine: Machine, site: str, count: int
) -> None:
    install(machine, {"acme/test/server.pem": made.key()}, site=site)
    assert len(machine.look()) == count


def test_a_package_does_not_vouch_for_other_rules(machine: Machine) -> None:
    machine.write("opt/app/own.pem", made.key())
    install(machine, {"acme/keys.py": "HEADER = 1\n"})
    machine.write("etc/tenable_tag", "0a")
    assert {line.rpartition("[")[2] for line in machine.look()} == {"private-key]", "enrolment]"}


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\xff\xfe\0",
        b"acme/own.pem\n",
        b"acme/own.pem,sha256=!!,1\n",
        b"acme/own.pem,md5=abc,1\n",
        b'"\n,,',
    ],
)
def test_a_record_that_cannot_be_read_proves_nothing(machine: Machine, record: bytes) -> None:
    machine.write(f"{_SITE}/acme/own.pem", made.key())
    machine.write(f"{_INFO}/RECORD", record)
    machine.write(f"{_INFO}/INSTALLER", "pip\n")
    assert len([line for line in machine.look() if "own.pem" in line]) == 1


def test_only_sha256_of_a_record_counts(tmp_path: Path) -> None:
    record = tmp_path / "RECORD"
    digest = _digest("x")
    record.write_text(f"a,sha256={digest},1\nb,sha512={digest},1\nc,sha256={digest[:-4]},1\nd,,\n", "utf-8")
    assert list(wheels.records(str(record))) == [("a", hashlib.sha256(b"x").hexdigest())]


_SIGNED = "RSA/SHA256, Mon 02 Mar 2026, Key ID 199e2f91fd431d51(none)"
_OWN = "RSA/SHA256, Mon 02 Mar 2026, Key ID 0123456789abcdef"
_HEX = hashlib.sha256(made.key().encode()).hexdigest()


def _rpm_says(machine: Machine, path: Path, *lines: str) -> str:
    """A PATH with an rpm that says so; the machine has a database."""
    machine.write("var/lib/rpm/rpmdb.sqlite", "")
    tool = path / "rpm"
    tool.write_text("#!/bin/sh\ncat <<'END'\n" + "\n".join(lines) + "\nEND\n", "utf-8")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    return f"{path}:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("line", "count"),
    [
        (f"acme-1-1\t{_SIGNED}\t{_HEX}\t/opt/acme/key.pem", 0),
        (f"acme-1-1\t(none)(none)\t{_HEX}\t/opt/acme/key.pem", 1),
        (f"acme-1-1\t\t{_HEX}\t/opt/acme/key.pem", 1),
        (f"acme-1-1\t{_OWN}\t{_HEX}\t/opt/acme/key.pem", 1),
        (f"acme-1-1\t{_SIGNED}{_OWN}\t{_HEX}\t/opt/acme/key.pem", 1),
        (f"acme-1-1\t{_SIGNED}\t{_HEX}\t/opt/acme/key.pem\nacme-1-1\t{_SIGNED}\t{_HEX}\t/opt/a\tb", 1),
        (f"acme-1-1\t{_SIGNED}\t{_HEX}\t/opt/acme/key.pem\nsecond line of a name", 1),
        (f"acme-1-1\t{_SIGNED}\t{_HEX}\t/opt/acme/key.pem\nacme-1-1\t{_SIGNED}\t{_HEX}\t/opt/a\x0cb", 0),
        (f"acme-1-1\t{_SIGNED}\t{'0' * 64}\t/opt/acme/key.pem", 1),
        (f"acme-1-1\t{_SIGNED}\t{_HEX[:32]}\t/opt/acme/key.pem", 1),
        (f"acme-1-1\t{_SIGNED}\t{_HEX}\t/opt/acme/other.pem", 1),
        ("", 1),
    ],
    ids=[
        "signed",
        "unsigned",
        "no word of a signature",
        "signed by an unknown key",
        "signed by a known and by an unknown key",
        "a tab in a name",
        "a line end in a name",
        "a form feed in a name",
        "changed",
        "an old digest",
        "another file",
        "nothing",
    ],
)
def test_a_signed_rpm_vouches_for_its_files(
    machine: Machine,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    count: int,
) -> None:
    monkeypatch.setenv("PATH", _rpm_says(machine, tmp_path_factory.mktemp("bin"), line))
    machine.write("opt/acme/key.pem", made.key())
    assert len(machine.look()) == count
    assert [each["package"] for each in machine.report()["judged"]] == ["rpm acme-1-1"] * (1 - count)


def test_a_key_counts_once_it_is_in_the_list_of_vendors(monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"acme-1-1\t{_OWN}\t{_HEX}\t/opt/acme/key.pem\n"
    assert rpms.listed(line)["/opt/acme/key.pem"][0] == ""
    monkeypatch.setattr(vendors, "KEYS", frozenset(("0123456789abcdef",)))
    assert rpms.listed(line)["/opt/acme/key.pem"] == (_HEX, "acme-1-1")


def test_the_list_of_vendors_holds_ids_of_keys() -> None:
    assert vendors.KEYS
    assert all(len(each) == 16 and int(each, 16) and each == each.lower() for each in vendors.KEYS)


def test_two_packages_that_disagree_about_a_file_prove_nothing() -> None:
    found = rpms.listed(f"a-1-1\t{_SIGNED}\t{_HEX}\t/x\nb-1-1\t{_SIGNED}\t{'0' * 64}\t/x\nc\tbroken\n")
    assert found["/x"][0] == ""


def test_an_rpm_that_fails_vouches_for_nothing(
    machine: Machine, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("bin")
    path = _rpm_says(machine, folder, f"acme-1-1\t{_SIGNED}\t{_HEX}\t/opt/acme/key.pem")
    with (folder / "rpm").open("a", encoding="utf-8") as file:
        file.write("echo 'error: cannot open\nPackages' >&2; exit 1\n")
    monkeypatch.setenv("PATH", path)
    machine.write("opt/acme/key.pem", made.key())
    assert len(machine.look()) == 1
    assert "rpm could not say: it ended with 1 error: cannot open Packages" in machine.answer().notes


def test_a_machine_without_rpm_says_so(
    machine: Machine, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path_factory.mktemp("bin")
    (path / "grep").symlink_to(shutil.which("grep") or "/usr/bin/grep")
    monkeypatch.setenv("PATH", str(path))
    machine.write("var/lib/rpm/rpmdb.sqlite", "")
    machine.write("opt/acme/key.pem", made.key())
    assert len(machine.look()) == 1
    assert any(note.startswith("rpm could not say: ") for note in machine.answer().notes)


def test_a_machine_without_a_database_needs_no_rpm(machine: Machine) -> None:
    machine.write("opt/acme/key.pem", made.key())
    assert not any("rpm" in note for note in machine.answer().notes)
