"""The example that deploys Vault fits the image and its units, keeps what it promises, and writes no secret down."""

import json
import os
import re
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml

from tests import optional_tools, schema_library
from tests.unit.infra import terraform

EXAMPLE = terraform.INFRA / "examples" / "vault"
IMAGES = terraform.INFRA.parent / "images"
UNIT = (IMAGES / "rhel9-vault" / "files" / "vault.service").read_text(encoding="utf-8")
ROTATION = (IMAGES / "rhel9-vault" / "files" / "vault.logrotate").read_text(encoding="utf-8")
SCHEMA = IMAGES / "roles" / "postdeploy" / "files" / "postdeploy.schema.json"
NAMES = {
    "certificate": "vault-tls",
    "client_id": "22222222-2222-4222-8222-222222222222",
    "dns_name": "vault.example.com",
    "key_vault": "kv-certificates",
    "port": "8200",
    "raft": "8201",
    "resource_group": "rg-vault",
    "scale_set": "vmss-vault",
    "seal_key": "unseal",
    "seal_vault": "kv-vault-a1b2c3",
    "subscription": "00000000-0000-0000-0000-000000000000",
    "tenant": "11111111-1111-1111-1111-111111111111",
    "admin": "imageadmin",
    "configuration": b64encode(b"made").decode(),
    "postdeploy": b64encode(b"{}").decode(),
}
_CONDITION = re.compile(r"%\{ if !allows_ssh ~\}\n(.*?)%\{ endif ~\}\n", re.DOTALL)


def rendered(name: str, *, allows_ssh: bool = False) -> str:
    """A template with values, as Terraform's `templatefile` gives it. A test compares both."""
    text = (EXAMPLE / f"{name}.tftpl").read_text(encoding="utf-8")
    text = _CONDITION.sub("" if allows_ssh else r"\1", text)
    return re.sub(r"\$\{(\w+)\}", lambda found: NAMES[found[1]], text)


def scale_set() -> dict[str, Any]:
    """The body of the scale set."""
    found: dict[str, Any] = terraform.resources("azapi_resource", EXAMPLE)["servers"]
    return found


def properties() -> dict[str, Any]:
    """The scale set's own properties."""
    found: dict[str, Any] = scale_set()["body"]["properties"]
    return found


def profile() -> dict[str, Any]:
    """What each server is."""
    found: dict[str, Any] = properties()["virtualMachineProfile"]
    return found


def of_unit(name: str) -> list[str]:
    """The values of one setting of the unit in the image."""
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


@pytest.mark.parametrize("allows_ssh", [False, True], ids=["closed", "open"])
@pytest.mark.parametrize("name", ["cloud-init.yaml", "vault.hcl", "postdeploy.json"])
@pytest.mark.process
def test_terraform_renders_the_templates_as_the_other_tests_do(
    name: str, tmp_path: Path, *, allows_ssh: bool
) -> None:
    program = shutil.which("terraform")
    if program is None:
        optional_tools.missing("terraform", "it renders the templates of the example")
    values = ", ".join(f'{key} = "{value}"' for key, value in NAMES.items())
    line = f'base64encode(templatefile("{EXAMPLE / name}.tftpl", {{{values}, allows_ssh = {str(allows_ssh).lower()}}}))'
    done = subprocess.run(
        [program, "console"],
        cwd=tmp_path,
        env={**os.environ, "CHECKPOINT_DISABLE": "1"},
        input=line,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (
        done.stdout.strip().strip('"') == b64encode(rendered(name, allows_ssh=allows_ssh).encode()).decode()
    )


@pytest.mark.process
def test_terraform_would_not_write_a_file_otherwise() -> None:
    program = shutil.which("terraform")
    if program is None:
        optional_tools.missing("terraform", "it formats the example")
    done = subprocess.run(
        [program, "fmt", "-check", "-recursive", str(EXAMPLE)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_servers_come_from_a_live_gallery_by_a_version_or_the_newest() -> None:
    image = terraform.local("image", EXAMPLE)
    assert "var.image_definition_id" in image
    assert "/versions/" in image
    assert profile()["storageProfile"]["imageReference"] == {"id": "${local.image}"}
    text = (EXAMPLE / "variables.tf").read_text(encoding="utf-8")
    assert "quarantine" in text.partition('variable "image_definition_id"')[2].partition("variable ")[0]


def test_an_upgrade_takes_one_server_at_a_time_asks_the_probe_and_goes_back() -> None:
    policy = properties()["upgradePolicy"]
    assert policy["mode"] == "Rolling"
    rolling = policy["rollingUpgradePolicy"]
    for servers in (3, 5, 7):
        assert servers * rolling["maxBatchInstancePercent"] // 100 <= 1
        # The server that is being upgraded may be away, and the others still have their quorum.
        assert 1 <= servers * rolling["maxUnhealthyInstancePercent"] // 100 <= (servers - 1) // 2
    assert rolling["rollbackFailedInstancesOnPolicyBreach"] is True
    automatic = policy["automaticOSUpgradePolicy"]
    assert automatic == {
        "enableAutomaticOSUpgrade": "${local.follows_newest}",
        "disableAutomaticRollback": False,
    }
    assert profile()["networkProfile"]["healthProbe"] == {"id": "${azurerm_lb_probe.health.id}"}
    rule = terraform.resources("azurerm_lb_rule", EXAMPLE)["vault"]
    assert rule["probe_id"] == "${azurerm_lb_probe.health.id}"
    assert "${azurerm_lb_rule.vault}" in scale_set()["depends_on"]


def test_a_sealed_server_is_not_healthy_and_an_uninitialised_one_only_at_first() -> None:
    probe = terraform.resources("azurerm_lb_probe", EXAMPLE)["health"]
    assert (probe["protocol"], probe["request_path"]) == ("Https", "${local.health}")
    path = terraform.local("health", EXAMPLE)
    assert path.startswith("/v1/sys/health?standbyok=true&perfstandbyok=true&uninitcode=")
    assert "sealedcode" not in path
    assert "501 : 200" in terraform.local("uninitialised", EXAMPLE)


def test_storage_outlives_an_upgrade_and_a_mistake_with_terraform() -> None:
    (disk,) = profile()["storageProfile"]["dataDisks"]
    assert (disk["lun"], disk["createOption"]) == (0, "Empty")
    for name in ("servers", "seal_key"):
        (lifecycle,) = terraform.resources("azapi_resource", EXAMPLE)[name]["lifecycle"]
        assert lifecycle["prevent_destroy"] is True
    assert properties()["overprovision"] is False
    made = yaml.safe_load(rendered("cloud-init.yaml"))
    assert all(each["overwrite"] is False for each in (*made["disk_setup"].values(), *made["fs_setup"]))


def test_nothing_is_public_and_only_the_named_ranges_come_in() -> None:
    assert not [kind for kind in _kinds() if "public_ip" in kind]
    (frontend,) = terraform.resources("azurerm_lb", EXAMPLE)["vault"]["frontend_ip_configuration"]
    assert frontend["subnet_id"] == "${var.subnet_id}"
    rules = terraform.resources("azurerm_network_security_rule", EXAMPLE)
    denied = rules["denied"]
    assert (denied["access"], denied["source_address_prefix"], denied["priority"]) == ("Deny", "*", 4096)
    assert rules["probe"]["source_address_prefix"] == "${local.probe}"
    assert terraform.local("probe", EXAMPLE) == "AzureLoadBalancer"
    assert '"*"' not in str(terraform.local("rules", EXAMPLE))
    vault = terraform.resources("azurerm_key_vault", EXAMPLE)["seal"]
    assert (vault["public_network_access_enabled"], vault["rbac_authorization_enabled"]) == (False, True)
    assert vault["purge_protection_enabled"] is True


def test_without_ranges_for_ssh_nobody_gets_a_shell() -> None:
    rules = str(terraform.local("rules", EXAMPLE))
    assert "length(var.allow_ssh_from) == 0 ? {} :" in rules
    masked = ["systemctl", "mask", "--now", "sshd.service", "sshd.socket"]
    assert yaml.safe_load(rendered("cloud-init.yaml"))["bootcmd"] == [masked]
    assert "bootcmd" not in yaml.safe_load(rendered("cloud-init.yaml", allows_ssh=True))
    system = profile()["osProfile"]
    assert system["allowExtensionOperations"] == "${var.allow_extensions}"
    assert system["linuxConfiguration"]["disablePasswordAuthentication"] is True
    assert "adminPassword" not in system
    variables = (EXAMPLE / "variables.tf").read_text(encoding="utf-8")
    asked = variables.partition('variable "allow_ssh_from"')[2].partition("variable ")[0]
    assert "default     = []" in asked
    asked = variables.partition('variable "allow_extensions"')[2].partition("variable ")[0]
    assert "default     = false" in asked


def test_the_servers_have_three_rights_and_no_more() -> None:
    assignments = terraform.resources("azurerm_role_assignment", EXAMPLE)
    roles = {name: each.get("role_definition_name", "") for name, each in assignments.items()}
    assert roles == {
        "seal": "Key Vault Crypto Service Encryption User",
        "certificate": "Key Vault Secrets User",
        "discover": "",
    }
    assert assignments["seal"]["scope"] == "${azapi_resource.seal_key.id}"
    assert assignments["certificate"]["scope"].endswith("/secrets/${var.certificate_name}")
    (permissions,) = terraform.resources("azurerm_role_definition", EXAMPLE)["discover"]["permissions"]
    assert permissions == {"actions": ["Microsoft.Compute/virtualMachineScaleSets/*/read"]}
    assert scale_set()["identity"][0]["type"] == "UserAssigned"


def test_the_configuration_fits_the_unit_in_the_image() -> None:
    made = yaml.safe_load(rendered("cloud-init.yaml"))
    written = {each["path"]: (each["owner"], each["permissions"]) for each in made["write_files"]}
    (condition,) = of_unit("ConditionFileNotEmpty")
    assert written == {
        condition: ("root:vault", "0640"),
        of_unit("EnvironmentFile")[0].removeprefix("-"): ("root:root", "0600"),
        "/etc/imagefactory/postdeploy.json": ("root:root", "0600"),
    }
    configuration = _hcl("vault.hcl")
    (storage,) = configuration["storage"]
    mount, logs = made["mounts"]
    assert storage["raft"]["path"] == mount[1]
    assert of_unit("RequiresMountsFor") == [f"{mount[1]} {logs[1]}"]
    assert f"/var/lib/{of_unit('StateDirectory')[0]}" == mount[1]
    assert [f"LABEL={each['label']}" for each in made["fs_setup"]] == [mount[0], logs[0]]
    assert of_unit("MemorySwapMax") == ["0"]  # what `disable_mlock` relies on
    assert configuration["disable_mlock"] is True


def test_audit_logs_lie_on_the_data_disk_and_are_rotated() -> None:
    """An upgrade replaces the disk of the system. A full disk of the only audit device stops Vault."""
    made = yaml.safe_load(rendered("cloud-init.yaml"))
    (disk,) = made["disk_setup"]
    assert [(each["device"], each["partition"]) for each in made["fs_setup"]] == [(disk, 1), (disk, 2)]
    assert len(made["disk_setup"][disk]["layout"]) == 2
    assert sum(made["disk_setup"][disk]["layout"]) == 100
    folder = made["mounts"][1][1]
    assert folder == f"/var/log/{of_unit('LogsDirectory')[0]}"
    assert ["restorecon", "-R", "/var/lib/vault", folder] in made["runcmd"]
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"file_path=(\S+)/[^/`]+\.log`", readme) == [folder]
    assert f"\n{folder}/*.log {{\n" in ROTATION
    account = f"{of_unit('User')[0]} {of_unit('Group')[0]}"
    assert f"    su {account}\n    create 0600 {account}\n" in ROTATION
    assert "systemctl reload vault.service" in ROTATION.partition("postrotate")[2].partition("endscript")[0]
    assert "HUP" in of_unit("ExecReload")[0]
    definition = yaml.safe_load((IMAGES / "rhel9-vault" / "image.yaml").read_text(encoding="utf-8"))
    step = {"file": "files/vault.logrotate", "destination": "/etc/logrotate.d/vault"}
    assert step in definition["spec"]["build"]["provisioners"]


def test_with_more_identities_the_servers_still_name_their_own() -> None:
    """Azure Policy adds identities. A program that names none is then refused, and Vault stays sealed."""
    assert json.loads(rendered("postdeploy.json"))["clientId"] == NAMES["client_id"]
    written = yaml.safe_load(rendered("cloud-init.yaml"))["write_files"]
    (environment,) = (each for each in written if each["path"] == "/etc/vault.d/vault.env")
    assert environment["content"] == f"AZURE_CLIENT_ID={NAMES['client_id']}\n"
    assert "client_id" not in _hcl("vault.hcl")["seal"][0]["azurekeyvault"]  # go-discover reads no such key
    own = "azurerm_user_assigned_identity.servers"
    text = (EXAMPLE / "servers.tf").read_text(encoding="utf-8")
    assert len(re.findall(rf"client_id +={re.escape(f' {own}.client_id')}\n", text)) == 2
    assert scale_set()["identity"][0]["identity_ids"] == f"${{concat([{own}.id], var.more_identity_ids)}}"


def test_the_readme_says_how_a_changed_configuration_reaches_a_server() -> None:
    """A server reads `customData` when it is made, and no apply makes one again."""
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    section = readme.partition("\n## A changed configuration\n")[2].partition("\n## ")[0]
    assert "customData" in profile()["osProfile"]
    written = yaml.safe_load(rendered("cloud-init.yaml"))["write_files"]
    assert [each["path"] for each in written if f"`{Path(each['path']).name}`" not in section] == []
    assert "`customData`" in section
    assert "reimage" in section


def test_the_page_of_the_machines_that_report_does_not_show_this_one() -> None:
    """It allows no extension, so Azure Monitor agent cannot run there."""
    page = (IMAGES.parent / "docs" / "postdeploy.md").read_text(encoding="utf-8")
    module = page.partition('module "fleet" {')[2].partition("```")[0]
    assert "machines " in module
    assert "vault" not in module
    assert "allow_extensions" in page


def test_vault_unseals_itself_and_finds_the_other_servers() -> None:
    configuration = _hcl("vault.hcl")
    (seal,) = configuration["seal"]
    assert seal["azurekeyvault"] == {
        "tenant_id": NAMES["tenant"],
        "vault_name": NAMES["seal_vault"],
        "key_name": "unseal",
    }
    (join,) = configuration["storage"][0]["raft"]["retry_join"]
    assert "provider=azure" in join["auto_join"]
    assert f"vm_scale_set={NAMES['scale_set']}" in join["auto_join"]
    assert properties()["orchestrationMode"] == "Uniform"  # go-discover reads no other kind
    key = terraform.resources("azapi_resource", EXAMPLE)["seal_key"]
    assert key["name"] == "unseal"
    assert key["body"]["properties"]["keyOps"] == ["wrapKey", "unwrapKey"]


def test_the_certificate_comes_by_the_baked_unit_and_vault_reloads_it() -> None:
    asked = json.loads(rendered("postdeploy.json"))
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert [*schema_library.json_schema().Draft202012Validator(schema).iter_errors(asked)] == []
    (certificate,) = asked["certificates"]
    assert certificate["services"][0] | {"startSeconds": 0} == {
        "unit": "vault.service",
        "action": "reload",
        "startSeconds": 0,
    }
    assert of_unit("ExecReload") == ["/usr/bin/kill --signal HUP $MAINPID"]
    assert certificate["owner"] == of_unit("User")[0]
    (listener,) = _hcl("vault.hcl")["listener"]
    folder = f"/etc/pki/imagefactory/{certificate['name']}/current"
    assert listener["tcp"]["tls_cert_file"] == f"{folder}/fullchain.pem"
    assert listener["tcp"]["tls_key_file"] == f"{folder}/key.pem"
    commands = yaml.safe_load(rendered("cloud-init.yaml"))["runcmd"]
    assert ["systemctl", "start", "--no-block", "certlc-run.service"] in commands
    assert ["systemctl", "enable", "--now", "certlc-run.timer"] in commands
    assert "After=certlc-run" not in UNIT


def test_the_ports_are_the_same_everywhere() -> None:
    port, raft = terraform.local("port", EXAMPLE), terraform.local("raft", EXAMPLE)
    definition = yaml.safe_load((IMAGES / "rhel9-vault" / "image.yaml").read_text(encoding="utf-8"))
    assert [each["port"] for each in definition["spec"]["serves"]] == [
        port,
        raft,
    ]  # what the firewall lets in
    (listener,) = _hcl("vault.hcl")["listener"]
    assert listener["tcp"]["address"].endswith(f":{port}")
    assert listener["tcp"]["cluster_address"].endswith(f":{raft}")
    assert terraform.resources("azurerm_lb_rule", EXAMPLE)["vault"]["backend_port"] == "${local.port}"


def test_no_secret_is_written_down() -> None:
    for path in EXAMPLE.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(secret|password|token)\w*\s*=\s*\"(?!\$)|BEGIN [A-Z ]*PRIVATE", text), (
            path.name
        )


def _hcl(name: str) -> dict[str, Any]:
    found: dict[str, Any] = terraform.plain(hcl2.loads(rendered(name)))
    return found


def _kinds() -> set[str]:
    return {
        kind
        for content in terraform.files(EXAMPLE).values()
        for block in content.get("resource", [])
        for kind in block
    }
