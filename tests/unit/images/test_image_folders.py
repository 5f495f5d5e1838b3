"""The factory accepts the seven images and the platform bundle, and each has the settings that it must have."""

import ast
import json
import sys
from typing import Any

import pytest
import yaml

from builder.packer import provisioners
from imagefactory import folders
from pipeline_core.domain.definitions import FileStep, ImageDefinition
from pipeline_core.domain.sources import MarketplaceSource, ParentReference
from pipeline_core.guard import catalog as guard
from pipeline_core.wire.job import BuildJob
from tests import schema_library
from tests.unit.images.places import IMAGES, NAMES

PARENTS = {
    "rhel9-java": "rhel9-base",
    "rhel9-node": "rhel9-base",
    "rhel9-python": "rhel9-base",
    "rhel9-vault": "rhel9-base",
    "payments-api": "rhel9-java",
    "ml-worker": "rhel9-python",
}
POSTDEPLOY = IMAGES / "roles" / "postdeploy"
TEAMS = {"payments-api": "payments", "ml-worker": "ml"}


@pytest.fixture(scope="module")
def catalog() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((IMAGES / "catalog.json").read_text("utf-8"))
    return found


def definition(name: str) -> ImageDefinition:
    return folders.load_image(IMAGES / name).definition


def job(stage: str, *, is_root: bool, name: str = "rhel9-base") -> BuildJob:
    image = definition(name)
    version = {
        "subscription_id": "s",
        "resource_group": "g",
        "gallery": "q",
        "image": name,
        "version": "9.1.1",
    }
    steps = [
        {"kind": "file", "path": step.path, "destination": step.destination}
        for step in image.build.provisioners
        if isinstance(step, FileStep)
    ]
    tests = {"goss": image.verify.goss or "", "smoke": image.verify.smoke, "profile": "cis_server_l1"}
    return BuildJob.model_validate(
        {
            "build": f"{name}.{'a' * 12}.1",
            "image": name,
            "stage": stage,
            "attempt": 1,
            "is_root": is_root,
            "source": {"kind": "gallery", **version},
            "destination": {"kind": "gallery", **version},
            "placement": {
                "subscription_id": "s",
                "client_id": "c",
                "location": "westeurope",
                "resource_group": "g",
                "vm_size": "Standard_D2s_v5",
                "generation": "V2",
                "security_type": "TrustedLaunch",
            },
            "steps": steps,
            "tests": tests,
            "bundle": "1" * 64,
            "platform": "2" * 64,
            "timeout_seconds": 600,
            "lease_until": "2027-01-01T00:00:00Z",
            "tags": {},
        }
    )


def planned(stage: str, *, is_root: bool) -> provisioners.ProvisionPlan:
    bundle = folders.load_image(IMAGES / "rhel9-base").bundle
    platform = folders.load_platform(IMAGES).bundle
    return provisioners.plan(job(stage, is_root=is_root), frozenset(bundle.names), frozenset(platform.names))


def order_of(plan: provisioners.ProvisionPlan) -> list[str]:
    """Which script of the platform each step runs, by its file name."""
    names = [
        path.name
        for folder in ("before", "roots", "after")
        for path in (IMAGES / "platform" / folder).iterdir()
    ]
    return [name for script in plan.scripts for name in names if name in script.content]


@pytest.mark.parametrize("name", NAMES)
def test_every_image_is_accepted_by_the_factory(name: str) -> None:
    assert str(definition(name).name) == name


@pytest.mark.parametrize(("name", "parent"), PARENTS.items())
def test_every_child_follows_its_parents_live_channel(name: str, parent: str) -> None:
    origin = definition(name).origin
    assert isinstance(origin, ParentReference)
    assert (str(origin.image), str(origin.channel)) == (parent, "live")


def test_the_base_follows_the_marketplace_across_minor_releases() -> None:
    base = definition("rhel9-base")
    assert isinstance(base.origin, MarketplaceSource)
    assert (base.origin.publisher, base.origin.offer, base.origin.sku) == ("RedHat", "RHEL", "9-lvm-gen2")
    assert base.major == 9


def test_the_services_declare_their_ports_and_a_runtime_serves_none() -> None:
    served = {name: [f"{each} {each.when.value}" for each in definition(name).serves] for name in NAMES}
    assert {name: ports for name, ports in served.items() if ports} == {
        "payments-api": ["8443/tcp deployed"],
        "rhel9-vault": ["8200/tcp deployed", "8201/tcp deployed"],
    }
    settings = (IMAGES / "payments-api" / "files" / "application.properties").read_text("utf-8")
    assert "server.port=8443" in settings


@pytest.mark.parametrize("name", NAMES)
def test_parents_belong_to_secops_and_leaves_to_their_teams(name: str) -> None:
    assert str(definition(name).team) == TEAMS.get(name, "secops")


@pytest.mark.parametrize("name", NAMES)
def test_every_image_is_tested_and_may_be_rebuilt_at_any_hour(name: str) -> None:
    image = definition(name)
    assert image.verify.goss is not None
    assert image.verify.smoke
    assert image.verify.compliance is not None
    assert image.rebuild.window is None  # the demonstration runs at any hour of any day
    assert not image.rebuild.suspend


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_a_bundle_is_used(name: str) -> None:
    folder = folders.load_image(IMAGES / name)
    text = (IMAGES / name / "image.yaml").read_text("utf-8")
    assert [path for path in folder.bundle.names if path not in text] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_goss_file_tests_something(name: str) -> None:
    content = yaml.safe_load((IMAGES / name / "goss.yaml").read_text("utf-8"))
    assert sum(len(tests) for tests in content.values()) >= 2


def test_every_tool_that_an_image_names_is_in_the_catalog(catalog: dict[str, Any]) -> None:
    known = {entry["id"] for entry in catalog["entries"]}
    named = {tool for name in NAMES for tool in definition(name).build.catalog}
    assert named
    assert named <= known


def test_the_catalog_follows_its_schema_and_passes_the_guard(catalog: dict[str, Any]) -> None:
    schema = json.loads((IMAGES / "catalog.schema.json").read_text("utf-8"))
    schema_library.json_schema().Draft202012Validator.check_schema(schema)
    schema_library.json_schema().Draft202012Validator(schema).validate(catalog)
    assert guard.check_catalog(catalog) == ()


@pytest.mark.parametrize(
    "wrong",
    [{"url": "http://github.com/a"}, {"version": "latest"}, {"sha256": "abc"}, {"extra": "1"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_the_schema_refuses_what_is_not_pinned(catalog: dict[str, Any], wrong: dict[str, str]) -> None:
    schema = json.loads((IMAGES / "catalog.schema.json").read_text("utf-8"))
    broken = {**catalog, "entries": [{**catalog["entries"][0], **wrong}]}
    with pytest.raises(schema_library.json_schema().ValidationError):
        schema_library.json_schema().Draft202012Validator(schema).validate(broken)


def test_a_root_is_hardened_between_updates_and_its_own_steps() -> None:
    order = order_of(planned("build", is_root=True))
    assert order == [
        "05-sources.sh",
        "05-volumes.sh",
        "10-update.sh",
        "11-fips.sh",
        "12-restart.sh",
        "13-kernels.sh",
        "14-fips.sh",
        "15-build-tools.sh",
        "20-stage-catalog.sh",
        "05-guide.sh",
        "10-hardening.yml",
        "20-postdeploy.yml",
        "30-base.sh",
        "70-firewall.sh",
        "80-hygiene-clean.sh",
        "82-sources.sh",
        "85-hygiene-check.sh",
        "90-deprovision.sh",
    ]


def test_a_child_is_not_hardened_again() -> None:
    baked = {"05-guide.sh", "10-hardening.yml", "20-postdeploy.yml", "30-base.sh"}
    assert not baked & {*order_of(planned("build", is_root=False))}


def test_the_verify_stage_runs_the_platforms_script() -> None:
    plan = planned("verify", is_root=True)
    assert "platform/verify/run.sh" in plan.scripts[-1].content
    assert set(plan.results) == {
        "goss.json",
        "smoke.json",
        "xccdf.xml.gz",
        "report.html.gz",
        "hygiene.json",
        "packages.json",
        "advisories.json",
    }


def test_no_step_of_a_build_enrols() -> None:
    names = folders.load_platform(IMAGES).bundle.names
    assert not [name for name in names if name.endswith(".pyc")]
    packed = [
        path
        for folder in ("platform", "roles")
        for path in (IMAGES / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    ]
    packed += [path for name in NAMES for path in (IMAGES / name).rglob("*") if path.is_file()]
    # What is baked for a deployed machine is copied as it is. That nothing of it starts is the test after this one.
    steps = [path for path in packed if POSTDEPLOY / "files" not in path.parents]
    enrolling = (
        "falconctl",
        "getcert request",
        "subscription-manager register",
        "realm join",
        "azcmagent connect",
        "mdatp_onboard",
    )
    assert [path for path in steps for word in enrolling if word in path.read_text("utf-8")] == []


def test_what_is_baked_for_a_deployed_machine_is_only_copied() -> None:
    tasks = yaml.safe_load((POSTDEPLOY / "tasks" / "main.yml").read_text("utf-8"))
    modules = {key.removeprefix("ansible.builtin.") for task in tasks for key in task if "builtin" in key}
    assert modules == {"dnf", "file", "copy", "command"}
    commands = [
        task["ansible.builtin.command"]["argv"] for task in tasks if "ansible.builtin.command" in task
    ]
    assert [words[:2] for words in commands] == [
        ["systemd-analyze", "verify"],
        ["/usr/libexec/imagefactory/{{ item }}", "--help"],
        ["systemctl", "is-enabled"],
    ]


def test_everything_that_the_role_holds_is_installed() -> None:
    files, text = POSTDEPLOY / "files", (POSTDEPLOY / "tasks" / "main.yml").read_text("utf-8")
    defaults = yaml.safe_load((POSTDEPLOY / "defaults" / "main.yml").read_text("utf-8"))
    units = {path.name for path in (files / "units").iterdir()} - {"85-imagefactory-postdeploy.preset"}
    assert {*defaults["postdeploy_units"]} == units
    assert {*defaults["postdeploy_timers"]} == {name for name in units if name.endswith(".timer")}
    programs = {path.name for path in (files / "libexec").iterdir() if path.is_file()}
    assert f"loop: [{', '.join(sorted(programs))}]" in text
    assert {path.name for path in files.iterdir()} == {"agents", "libexec", "postdeploy.schema.json", "units"}


def test_what_is_baked_for_a_deployed_machine_runs_on_python_3_9() -> None:
    modules = sorted((POSTDEPLOY / "files" / "libexec" / "postdeploy").glob("*.py"))
    assert len(modules) > 10
    for module in modules:
        tree = ast.parse(module.read_text("utf-8"), feature_version=(3, 9))
        imported = {
            alias.name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        imported |= {
            str(node.module).split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        }
        assert imported - {"postdeploy", *sys.stdlib_module_names} == set()


def test_every_role_ships_the_test_that_proves_it() -> None:
    roles = [path for path in (IMAGES / "roles").iterdir() if path.is_dir()]
    assert roles
    assert [role.name for role in roles if not (role / "tests" / "goss.yaml").is_file()] == []
