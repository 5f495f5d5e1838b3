"""The bases that `make run` does not build: each is accepted, and its source is what the Marketplace says of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from imagefactory import folders
from imagefactory.main import app
from local.run.story import IMAGES as OF_RUN
from pipeline_core.domain.definitions import (
    Architecture,
    Generation,
    Hardening,
    ImageDefinition,
    ShellStep,
    Volume,
)
from pipeline_core.domain.sources import MarketplaceSource, ParentReference, PurchasePlan
from tests.unit.images.places import CHECKOUT, IMAGES
from tests.unit.images.stand_ins import StandIn
from tests.unit.images.test_verify import GOOD, Guest, goss_report

EXAMPLES = IMAGES / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/image.yaml"))
MARKETPLACE = json.loads((CHECKOUT / "local" / "arm" / "marketplace.json").read_text("utf-8"))
PARENTS = {"rhel9-gen1-java": "rhel9-gen1"}


def definition(name: str) -> ImageDefinition:
    return folders.load_image(EXAMPLES / name).definition


def _sku(source: MarketplaceSource) -> dict[str, Any]:
    found: dict[str, Any] = MARKETPLACE["publishers"][source.publisher][source.offer][source.sku]
    return found


def test_there_is_one_for_each_kind_of_base() -> None:
    kinds = ("arm64", "byos", "gen1", "gen1-java", "sap", "stig")
    assert [f"rhel9-{kind}" for kind in kinds] == NAMES
    assert not {*NAMES} & {*OF_RUN}


@pytest.mark.parametrize("name", NAMES)
def test_the_command_finds_it_valid(name: str) -> None:
    done = CliRunner().invoke(app, ["validate", str(EXAMPLES / name)])
    assert done.exit_code == 0, done.output
    assert str(definition(name).name) == name


@pytest.mark.parametrize("name", NAMES)
def test_the_marketplace_has_its_source_with_these_traits(name: str) -> None:
    image = definition(name)
    if isinstance(image.origin, ParentReference):
        parent = definition(PARENTS[name])
        assert str(image.origin.image) == str(parent.name)
        assert image.os == parent.os  # generation and architecture are inherited
        return
    sku = _sku(image.origin)
    assert image.os.generation.value == sku["generation"]
    assert image.os.architecture.value == sku.get("architecture", "x64")
    assert image.plan == (PurchasePlan(**sku["plan"]) if "plan" in sku else None)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_tested_and_every_file_is_used(name: str) -> None:
    folder, image = folders.load_image(EXAMPLES / name), definition(name)
    text = (EXAMPLES / name / "image.yaml").read_text("utf-8")
    assert [path for path in folder.bundle.names if path not in text] == []
    assert image.verify.compliance is not None
    content = yaml.safe_load((EXAMPLES / name / "goss.yaml").read_text("utf-8"))
    assert sum(len(tests) for tests in content.values()) >= 2
    assert f"`{name}`" in (EXAMPLES / "README.md").read_text("utf-8")


def test_each_shows_what_it_is_there_for() -> None:
    gen1, arm, stig, byos = (definition(f"rhel9-{name}") for name in ("gen1", "arm64", "stig", "byos"))
    assert gen1.os.generation is Generation.V1
    assert arm.os.architecture is Architecture.ARM64
    assert arm.build.vm_size.split("_")[1].endswith("ps")
    assert stig.hardening == Hardening(profile="stig", fips=True)
    assert stig.verify.compliance is not None
    assert stig.verify.compliance.profile == "stig"
    assert (IMAGES / "platform" / "scap" / "tailoring-stig.xml").is_file()
    assert byos.plan is not None
    assert Volume(mount="/opt", gb=40) in byos.build.volumes


def test_the_base_for_sap_is_of_an_offer_for_sap_and_stays_on_its_release_by_itself() -> None:
    image, folder = definition("rhel9-sap"), EXAMPLES / "rhel9-sap"
    assert isinstance(image.origin, MarketplaceSource)
    assert (image.origin.offer, image.plan) == ("RHEL-SAP-APPS", None)
    sources = json.loads((IMAGES / "platform" / "sources" / "settings.json").read_text("utf-8"))
    assert "rhel9-sap" not in sources["releases"]
    asked = yaml.safe_load((folder / "goss.yaml").read_text("utf-8"))
    minor = image.origin.sku.removeprefix("9").partition("sap")[0]
    assert asked["command"]["minor release of the SKU"]["stdout"] == [f"/^9\\.{minor}$/"]
    set_there = dict(
        line.split(" = ") for line in (folder / "files" / "sysctl.conf").read_text("utf-8").splitlines()[1:]
    )
    assert {name: {"value": value} for name, value in set_there.items()} == asked["kernel-param"]
    profiles = [
        dict(step.env)["TUNED_PROFILE"] for step in image.build.provisioners if isinstance(step, ShellStep)
    ]
    assert asked["command"]["profile of tuned"]["stdout"] == [f"/^{profiles[0]}$/"]


@pytest.mark.process
@pytest.mark.parametrize("active", ["sap-netweaver", "balanced"])
def test_the_step_for_sap_ends_well_with_its_profile_alone_and_without_ansible(
    tmp_path: Path, active: str
) -> None:
    machine = StandIn(tmp_path)
    script = (EXAMPLES / "rhel9-sap" / "scripts" / "prepare-sap.sh").read_text("utf-8")
    (tmp_path / "active_profile").write_text(f"{active}\n", "utf-8")
    (tmp_path / "ansible-core").touch()
    machine.tool("rpm", f'[[ -e "{tmp_path}/$3" ]]')
    machine.tool("dnf", f'[[ $2 != remove ]] || rm "{tmp_path}/$3"')
    machine.tool("systemctl")
    machine.tool("tuned-adm")
    done = machine.run_text(script.replace("/etc/tuned/", f"{tmp_path}/"), TUNED_PROFILE="sap-netweaver")
    assert (done.returncode == 0) is (active == "sap-netweaver"), done.stderr
    assert machine.called("tuned-adm") == ["profile sap-netweaver"]
    assert not (tmp_path / "ansible-core").exists()
    asked = yaml.safe_load((EXAMPLES / "rhel9-sap" / "goss.yaml").read_text("utf-8"))
    (installed,) = [
        call.split(" install ")[1].split() for call in machine.called("dnf") if " install " in call
    ]
    assert sorted(asked["package"]) == sorted(installed)
    assert {"nfs-utils", "libnsl", "tcsh"} <= set(installed)
    assert machine.called("systemctl") == [
        "enable --now tuned uuidd.socket",
        "mask --now rpcbind.socket rpcbind.service",
    ]
    states = {name: each["enabled"] for name, each in asked["service"].items()}
    assert states == {"tuned": True, "uuidd.socket": True, "rpcbind.socket": False}


def test_they_are_no_part_of_the_platform_steps() -> None:
    assert not [name for name in folders.load_platform(IMAGES).bundle.names if "example" in name]


@pytest.mark.process
@pytest.mark.parametrize(("machine", "entry"), [("x86_64", "goss"), ("aarch64", "goss-arm64")])
def test_a_machine_is_tested_by_the_goss_of_its_processor(tmp_path: Path, machine: str, entry: str) -> None:
    guest = Guest(tmp_path)
    guest.goss(goss_report(GOOD))
    guest.tool("uname", f"echo {machine}")
    catalog = tmp_path / "platform" / "catalog.json"
    pinned = json.loads(catalog.read_text("utf-8"))
    other = {
        **pinned["entries"][0],
        "id": {"goss": "goss-arm64", "goss-arm64": "goss"}[entry],
        "sha256": "0" * 64,
    }
    right = {**pinned["entries"][0], "id": entry}
    catalog.write_text(json.dumps({**pinned, "entries": [other, right]}), "utf-8")
    assert guest.verify().returncode == 0
    ours = {each["id"] for each in json.loads((IMAGES / "catalog.json").read_text("utf-8"))["entries"]}
    assert entry in ours
