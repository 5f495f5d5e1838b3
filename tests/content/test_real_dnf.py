"""The real dnf and rpm: what they say where the platform's scripts depend on it, and what they record of packages.

Repositories are folders of this machine, and packages are built here. Nothing of the machine itself changes.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import results

from builder.results import sbom
from pipeline_core.wire import packages as reported
from tests import optional_tools
from tests.unit.builder import samples
from tests.unit.builder.results.test_sbom import AT
from tests.unit.images.places import IMAGES
from tests.unit.images.sources.machine import SourcesMachine, made, repository

pytestmark = [pytest.mark.content, pytest.mark.process, pytest.mark.timeout(300)]

RUN = (IMAGES / "platform" / "verify" / "run.sh").read_text("utf-8")
SPEC = """\
Name: {name}
Epoch: {epoch}
Version: 1
Release: 2
Summary: a package
License: MIT
Vendor: Red Hat, Inc.
BuildArch: noarch
{module}
%description
It has nothing.
%files
"""


@pytest.fixture(autouse=True)
def _tools() -> None:
    for program, package in (("dnf", "dnf"), ("rpmbuild", "rpm"), ("createrepo_c", "createrepo-c")):
        optional_tools.require(program, f"{program} is missing: install Debian's {package}")


def ran(*command: str, code: int = 0) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def dnf(machine: SourcesMachine, *words: str, code: int = 0) -> str:
    """The real one, on the folder that stands for the machine."""
    given = ["--installroot", str(machine.root), "--config", str(machine.root / "etc/dnf/dnf.conf")]
    return ran("dnf", *given, "--releasever", "9", *words, code=code)


def package(folder: Path, name: str, *, epoch: int = 0, module: str = "") -> Path:
    """An RPM, in a folder of its own."""
    top = folder / f"top-{name}"
    top.mkdir()
    label = f"ModularityLabel: {module}" if module else ""
    (top / "x.spec").write_text(SPEC.format(name=name, epoch=epoch, module=label), "utf-8")
    ran("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", str(top / "x.spec"))
    (found,) = top.rglob("*.rpm")
    return found


@pytest.fixture
def machine(tmp_path: Path) -> SourcesMachine:
    return made(tmp_path)


def listed(machine: SourcesMachine) -> list[str]:
    """The enabled repositories, as dnf reads them."""
    lines = dnf(machine, "--quiet", "repolist", "--enabled").splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("repo id")]


def test_dnf_reads_what_the_steps_wrote(machine: SourcesMachine) -> None:
    azures = listed(machine)
    assert azures == ["rhel-9-baseos-rhui", "rhui-microsoft-azure-rhel9"]
    machine.key("k.asc")
    machine.settings(
        build={"repositories": [repository("m.build.example.com", "mirrored", "keys/k.asc")]},
        deployed={"repositories": [repository("m.example.com", "inner")]},
    )
    machine.does("before/05-sources.sh")
    assert listed(machine) == ["mirrored"]
    machine.does("after/82-sources.sh")
    assert listed(machine) == ["inner"]


def test_a_repository_that_is_not_there_is_what_the_renewal_waits_for(machine: SourcesMachine) -> None:
    machine.write("etc/yum.repos.d/rh-cloud.repo", "[own]\nname=own\nbaseurl=file:///absent\n")
    renewal = ["--assumeyes", "--refresh", "--disablerepo=*", "--enablerepo=*microsoft-azure*", "upgrade"]
    said = dnf(machine, *renewal, code=1)
    (expected,) = re.findall(
        r'!= \*"(Unknown repo: [^"]+)"\*', (IMAGES / "platform/before/10-update.sh").read_text()
    )
    assert expected in said


def test_rpm_and_dnf_say_module_epoch_vendor_and_repository(machine: SourcesMachine, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    shutil.copy(package(tmp_path, "plain", epoch=2), served)
    ran("createrepo_c", "--quiet", str(served))
    text = f"[baseos]\nname=x\nbaseurl=file://{served}\nenabled=1\ngpgcheck=0\n"
    machine.write("etc/yum.repos.d/rh-cloud.repo", text)
    dnf(machine, "--assumeyes", "--quiet", "install", "plain")
    modular = package(tmp_path, "modular", module="nodejs:18:904:rhel9")
    ran("rpm", "--root", str(machine.root), "--nodeps", "--nosignature", "--install", str(modular))
    shutil.rmtree(served)  # dnf's own records answer

    rpm_format, dnf_format = re.findall(r"'(%\{N?n?[^']+)'", RUN)
    (tmp_path / "packages").write_text(
        ran("rpm", "--root", str(machine.root), "--query", "--all", "--queryformat", rpm_format), "utf-8"
    )
    asked = ["--quiet", "--disablerepo=*", "repoquery", "--installed", "--queryformat", dnf_format]
    (tmp_path / "origins").write_text(dnf(machine, *asked), "utf-8")
    content = json.dumps(results.packages(tmp_path / "packages", tmp_path / "origins")).encode()

    (second, first), _ = reported.parse_packages(content)
    assert (first.name, first.epoch, first.vendor, first.repository) == (
        "plain",
        2,
        "Red Hat, Inc.",
        "baseos",
    )
    assert (first.source, first.arch, first.module) == ("plain-1-2.src.rpm", "noarch", "")
    assert (second.name, second.module, second.repository) == ("modular", "nodejs:18:904:rhel9", "")
    made_of = json.loads(sbom.render(samples.verify_job(), content, AT))
    assert [each["purl"] for each in made_of["components"]] == [
        "pkg:rpm/redhat/modular@1-2?arch=noarch&rpmmod=nodejs:18:904:rhel9&upstream=modular-1-2.src.rpm",
        "pkg:rpm/redhat/plain@1-2?arch=noarch&epoch=2&repository_id=baseos&upstream=plain-1-2.src.rpm",
    ]
