"""What the guest writes of its packages and advisories, as the builder and the factory read it."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.domain.packages import Package
from pipeline_core.wire import packages as reported
from tests.unit.images.places import IMAGES
from tests.unit.images.test_verify import Guest, guest

pytestmark = pytest.mark.process

__all__ = ["guest"]

LINES = """Updating Subscription Management repositories.
RHSA-2026:0101 Important/Sec. openssl-libs-1:3.2.2-6.el9_5.1.x86_64
RHSA-2026:0101 Important/Sec. openssl-1:3.2.2-6.el9_5.1.x86_64
RHSA-2026:0102 Unknown/Sec.   sudo-1.9.5p2-10.el9_6.2.x86_64
RHBA-2026:0103 bugfix         bash-5.1.8-9.el9.x86_64
RHEA-2026:0104 enhancement    tzdata-2026a-1.el9.noarch
odd-1 strange x-1-1.noarch"""


def rpm(guest: Guest, *lines: str) -> None:
    text = "".join(f"{line}\\n" for line in lines)
    guest.tool("rpm", f"printf '{text}'")


def written(guest: Guest, name: str) -> Any:
    done = guest.verify()
    assert done.returncode == 0, done.stderr
    return json.loads((guest.results / name).read_text("utf-8"))


def test_what_rpm_does_not_know_is_left_out_and_the_epoch_is_a_number(guest: Guest) -> None:
    rpm(
        guest,
        r"openssl\t1\t3.2.2\t6.el9\tx86_64\tRed Hat, Inc.\topenssl-3.2.2-6.el9.src.rpm\tApache-2.0\t(none)",
        r"gpg-pubkey\t(none)\tfd431d51\t4ae0493b\t(none)\t(none)\t(none)\tpubkey\t(none)",
    )
    found = written(guest, "packages.json")
    assert found[0] == {
        "name": "gpg-pubkey",
        "version": "fd431d51",
        "release": "4ae0493b",
        "license": "pubkey",
    }
    packages, simulated = reported.parse_packages((guest.results / "packages.json").read_bytes())
    assert not simulated
    assert packages[1] == Package(
        name="openssl",
        version="3.2.2",
        release="6.el9",
        arch="x86_64",
        epoch=1,
        vendor="Red Hat, Inc.",
        license="Apache-2.0",
        source="openssl-3.2.2-6.el9.src.rpm",
    )


MODULAR = (
    r"nodejs\t1\t18.20\t1.module+el9\tx86_64\tRed Hat, Inc.\tnodejs-18.20-1.src.rpm\tMIT\tnodejs:18:904:rhel9"
)
PLAIN = r"bash\t(none)\t5.1.8\t9.el9\tx86_64\tRed Hat, Inc.\tbash-5.1.8-9.el9.src.rpm\tGPLv3+\t(none)"
ORIGINS = """odd line of dnf
bash\t0\t5.1.8\t9.el9\tx86_64\trhel-9-for-x86_64-baseos-rhui-rpms
nodejs\t1\t18.20\t1.module+el9\tx86_64\tappstream
kernel\t0\t5.14\t1\tx86_64\tbaseos"""


def test_the_module_and_the_repository_of_each_package_are_kept(guest: Guest) -> None:
    rpm(guest, PLAIN, MODULAR)
    guest.tool("dnf", f"if [[ $* == *repoquery* ]]; then\ncat <<'END'\n{ORIGINS}\nEND\nfi")
    written(guest, "packages.json")
    (bash, nodejs), _ = reported.parse_packages((guest.results / "packages.json").read_bytes())
    assert (bash.module, bash.repository) == ("", "rhel-9-for-x86_64-baseos-rhui-rpms")
    assert (nodejs.module, nodejs.repository) == ("nodejs:18:904:rhel9", "appstream")


@pytest.mark.parametrize(
    "told",
    [
        "exit 1",
        r"printf 'bash\t0\t5.1.8\t9.el9\tx86_64\t\n'",
        r"printf 'bash\t1\t5.1.8\t9.el9\tx86_64\tanother epoch\n'",
        r"printf 'bash\t0\t5.1.8\t9.el9\tx86_64\tno id\n'",
    ],
    ids=["dnf fails", "from nowhere", "another package", "not an id"],
)
def test_a_package_of_an_unknown_repository_has_none(guest: Guest, told: str) -> None:
    rpm(guest, PLAIN)
    guest.tool("dnf", f"[[ $* != *repoquery* ]] || {{ {told}; }}")
    assert "repository" not in written(guest, "packages.json")[0]


def test_a_line_of_rpm_that_is_not_understood_fails_the_stage(guest: Guest) -> None:
    rpm(guest, r"bash\t5.1.8\t9.el9\tx86_64")
    assert guest.verify().returncode != 0
    assert not (guest.results / "packages.json").exists()


def test_advisories_are_reported_once_with_all_their_packages(guest: Guest) -> None:
    guest.dnf(LINES)
    found = written(guest, "advisories.json")
    assert found["known"] is True
    assert found["available"] == []
    assert [
        (each["id"], each["kind"], each["severity"], len(each["packages"])) for each in found["installed"]
    ] == [
        ("RHBA-2026:0103", "bugfix", "", 1),
        ("RHEA-2026:0104", "enhancement", "", 1),
        ("RHSA-2026:0101", "security", "important", 2),
        ("RHSA-2026:0102", "security", "", 1),
        ("odd-1", "unknown", "", 1),
    ]
    read = reported.parse_advisories((guest.results / "advisories.json").read_bytes())
    assert read is not None
    assert {advisory.package.evr for advisory in read if advisory.id == "RHSA-2026:0101"} == {
        "1:3.2.2-6.el9_5.1"
    }


@pytest.mark.parametrize(("lines", "code"), [("", 0), (LINES, 1), ("Error: no repositories", 0)])
def test_where_dnf_cannot_tell_nothing_is_known_and_the_stage_goes_on(
    guest: Guest, lines: str, code: int
) -> None:
    guest.dnf(lines, code=code)
    assert written(guest, "advisories.json") == {"known": False}
    assert reported.parse_advisories((guest.results / "advisories.json").read_bytes()) is None


def test_more_advisories_than_are_kept_count_as_unknown(guest: Guest) -> None:
    guest.dnf("\n".join(f"RHBA-2026:{number} bugfix a{number}-1-1.noarch" for number in range(10_001)))
    assert written(guest, "advisories.json") == {"known": False}


def test_the_query_asks_for_what_the_reader_takes() -> None:
    script = (Path(IMAGES) / "platform" / "verify" / "run.sh").read_text("utf-8")
    fields = ["NAME", "EPOCH", "VERSION", "RELEASE", "ARCH", "VENDOR", "SOURCERPM", "LICENSE"]
    fields += ["MODULARITYLABEL"]
    assert "\\t".join(f"%{{{field}}}" for field in fields) in script
    asked = ["name", "epoch", "version", "release", "arch", "from_repo"]
    assert "\\t".join(f"%{{{field}}}" for field in asked) in script
