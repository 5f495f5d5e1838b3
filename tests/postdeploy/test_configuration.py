"""What cloud-init may write for a machine: every mistake is named at once, and nothing can name a command."""

import json
import re
from typing import Any

import pytest
import yaml

from tests import schema_library
from tests.postdeploy.machine import FILES, VAULT, Machine, loaded
from tests.unit.images.places import CHECKOUT

PAGE = (CHECKOUT / "docs" / "postdeploy.md").read_text("utf-8")
CERTIFICATE = {"name": "tls", "services": [{"unit": "nginx.service"}]}
GOOD: dict[str, Any] = {
    "vault": VAULT,
    "clientId": "11111111-2222-4333-8444-555555555555",
    "waitSeconds": 300,
    "certificates": [
        {
            "name": "tls",
            "version": "0" * 32,
            "folder": "site",
            "files": {"key": "tls.key", "combined": "all.pem"},
            "owner": "nginx",
            "group": "nginx",
            "mode": "0640",
            "services": [{"unit": "nginx.service", "action": "reload", "settleSeconds": 5}],
        }
    ],
    "agents": [{"agent": "mdatp", "secret": "mdatp-onboarding"}],
}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown-key": ({"command": "id"}, "/command: there is no such key"),
    "no-vault": ({"vault": None}, "/vault: must be a text"),
    "http-vault": ({"vault": "http://kv-example.vault.azure.net"}, "/vault"),
    "strange-vault": ({"vault": "https://kv-example.vault.azure.net.example.com"}, "/vault"),
    "vault-with-path": ({"vault": f"{VAULT}/x"}, "/vault"),
    "vault-with-line-end": ({"vault": f"{VAULT}\n"}, "/vault"),
    "client": ({"clientId": "x"}, "/clientId"),
    "too-patient": ({"waitSeconds": 1501}, "/waitSeconds"),
    "no-number": ({"waitSeconds": True}, "/waitSeconds"),
    "not-a-list": ({"certificates": {}}, "/certificates: must be a list"),
    "not-objects": ({"agents": ["mdatp"]}, "/agents: must be a list"),
    "nothing": ({"certificates": [], "agents": []}, "certificates or agents"),
    "agent-with-path": ({"agents": [{"agent": "../mdatp"}]}, "/agents/0/agent"),
    "agent-with-command": ({"agents": [{"agent": "mdatp", "program": "sh"}]}, "/agents/0/program"),
}
WRONG_CERTIFICATE: dict[str, tuple[dict[str, Any], str]] = {
    "path-in-folder": ({"folder": "../../etc"}, "/folder"),
    "hidden-folder": ({"folder": ".ssh"}, "/folder"),
    "path-in-file": ({"files": {"key": "../key"}}, "/files/key"),
    "no-files": ({"files": {}}, "/files"),
    "unknown-file": ({"files": {"password": "x"}}, "/files/password"),
    "open-mode": ({"mode": "0644"}, "/mode"),
    "set-uid": ({"mode": "4600"}, "/mode"),
    "owner": ({"owner": "root;id"}, "/owner"),
    "version": ({"version": "latest"}, "/version"),
    "name": ({"name": "a/b"}, "/name"),
    "unit-with-words": ({"services": [{"unit": "a.service b.service"}]}, "/unit"),
    "option-as-unit": ({"services": [{"unit": "--root=x.service"}]}, "/unit"),
    "target": ({"services": [{"unit": "reboot.target"}]}, "/unit"),
    "shell": ({"services": [{"unit": "debug-shell.service"}]}, "/unit"),
    "power-off": ({"services": [{"unit": "systemd-poweroff.service"}]}, "/unit"),
    "console": ({"services": [{"unit": "getty@tty9.service"}]}, "/unit"),
    "serial-console": ({"services": [{"unit": "serial-getty@ttyS0.service"}]}, "/unit"),
    "other-console": ({"services": [{"unit": "autovt@tty1.service"}]}, "/unit"),
    "relabelling": ({"services": [{"unit": "selinux-autorelabel.service"}]}, "/unit"),
    "relabelling-mark": ({"services": [{"unit": "selinux-autorelabel-mark.service"}]}, "/unit"),
    "shell-of-dracut": ({"services": [{"unit": "dracut-emergency.service"}]}, "/unit"),
    "initrd": ({"services": [{"unit": "initrd-switch-root.service"}]}, "/unit"),
    "offline-update": ({"services": [{"unit": "packagekit-offline-update.service"}]}, "/unit"),
    "offline-firmware": ({"services": [{"unit": "fwupd-offline-update.service"}]}, "/unit"),
    "offline-upgrade": ({"services": [{"unit": "dnf-system-upgrade.service"}]}, "/unit"),
    "user-data-again": ({"services": [{"unit": "cloud-final.service"}]}, "/unit"),
    "itself": ({"services": [{"unit": "certlc-run.service"}]}, "/unit"),
    "action": ({"services": [{"unit": "a.service", "action": "stop"}]}, "/action"),
    "start": ({"services": [{"unit": "a.service", "startSeconds": 1801}]}, "/startSeconds"),
    "settle": ({"services": [{"unit": "a.service", "settleSeconds": 0}]}, "/settleSeconds"),
}
ONLY_THE_PROGRAM: dict[str, tuple[dict[str, Any], str]] = {
    "same-folder": ({"certificates": [CERTIFICATE, CERTIFICATE]}, "folder tls is used twice"),
    "same-agent": ({"agents": [{"agent": "a"}, {"agent": "a"}]}, "agent a is used twice"),
    "same-file": (
        {"certificates": [{**CERTIFICATE, "files": {"key": "a", "chain": "a"}}]},
        "two files have one name",
    ),
    "endless-run": (
        {"certificates": [{**CERTIFICATE, "services": [{"unit": "a.service"}] * 17}]},
        "/certificates: a run could take 11440 s and is ended after 10800 s",
    ),
    "long-name": ({"certificates": [{"name": "a" * 65}]}, "/folder: must be given"),
}


def validator() -> Any:
    schema = json.loads((FILES / "postdeploy.schema.json").read_text("utf-8"))
    schema_library.json_schema().Draft202012Validator.check_schema(schema)
    return schema_library.json_schema().Draft202012Validator(schema)


def said(machine: Machine) -> str:
    ran = machine.run()
    assert ran.code == 78, ran.output
    assert machine.status()["reasons"] == ["configuration"]
    return ran.named("failed")[0]["text"]


def changed(change: dict[str, Any]) -> dict[str, Any]:
    return {**GOOD, **change}


def test_the_schema_and_the_program_accept_the_same() -> None:
    validator().validate(GOOD)
    assert list(loaded().problems(GOOD)) == []


@pytest.mark.parametrize(
    "unit", ["cloud-proxy.service", "offline.service", "app@tty1.service", "sshd.service"]
)
def test_a_name_that_looks_like_a_refused_one_is_accepted(unit: str) -> None:
    document = changed({"certificates": [{**CERTIFICATE, "services": [{"unit": unit}]}]})
    validator().validate(document)
    assert list(loaded().problems(document)) == []


def test_the_documented_example_is_accepted() -> None:
    (example,) = re.findall(r"```yaml\n(#cloud-config.*?)```", PAGE, re.DOTALL)
    cloud_config = yaml.safe_load(example)
    (file,) = cloud_config["write_files"]
    assert (file["path"], file["permissions"]) == ("/etc/imagefactory/postdeploy.json", "0600")
    document = json.loads(file["content"])
    validator().validate(document)
    assert list(loaded().problems(document)) == []
    # Nothing is fetched and no shell is used.
    ages, *starts = cloud_config["runcmd"]
    # The image's ages of passwords would lock out an account that has a key alone.
    assert ages[:-1] == ["chage", "--maxdays", "-1", "--inactive", "-1"]
    # The first runs do not wait for the delay of their timers.
    start, enable = ["systemctl", "start", "--no-block"], ["systemctl", "enable", "--now"]
    names = ("certlc-run", "agent-enroll")
    assert starts == [
        *([*start, f"{name}.service"] for name in names),
        *([*enable, f"{name}.timer"] for name in names),
    ]


def test_the_page_lists_every_exit_status() -> None:
    table = PAGE.split("## Exit statuses")[1].split("## ")[0]
    listed = {int(status) for status in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert listed == {int(each) for each in loaded("failures").Exit}


def test_the_page_lists_every_event() -> None:
    table = PAGE.split("## What is reported")[1].split("**Status files**")[0]
    modules = [path.read_text("utf-8") for path in (FILES / "libexec" / "postdeploy").glob("*.py")]
    said = {name for text in modules for name in re.findall(r"events\.say\(\s*\"([a-z-]+)\"", text)}
    assert len(said) > 8
    assert {name for name in said if f"`{name}`" not in table} == set()


def test_the_longest_run_that_is_accepted_ends_before_its_unit_ends_it() -> None:
    unit = (FILES / "units" / "certlc-run.service").read_text("utf-8")
    (hours,) = re.findall(r"^TimeoutStartSec=(\d+)h$", unit, re.MULTILINE)
    assert int(hours) * 3600 == loaded().RUN_SECONDS
    wait = {"waitSeconds": 600, "certificates": [{**CERTIFICATE, "services": [{"unit": "a.service"}] * 15}]}
    assert list(loaded().problems(changed(wait))) == []


def test_every_mistake_is_named_at_once(machine: Machine) -> None:
    document, expected = dict(GOOD), []
    for change, place in WRONG.values():
        if not set(change) & {"certificates", "agents", "vault"}:
            document |= change
            expected.append(place)
    certificates = [
        {**CERTIFICATE, "folder": name, **change} for name, (change, _) in WRONG_CERTIFICATE.items()
    ]
    machine.configure(document | {"certificates": certificates})
    text = said(machine)
    places = [f"/certificates/{number}" for number in range(len(certificates))]
    assert [place for place in [*places, "/command", "/clientId"] if place not in text] == []


@pytest.mark.parametrize("case", [*WRONG, *WRONG_CERTIFICATE])
def test_the_program_and_the_schema_refuse_the_same(case: str) -> None:
    """Without a process: the module itself, as the guest loads it."""
    settings = loaded()
    if case in WRONG:
        change, place = WRONG[case]
        document = changed(change)
    else:
        change, place = WRONG_CERTIFICATE[case]
        document = changed({"certificates": [{**CERTIFICATE, **change}]})
    found = list(settings.problems(document))
    assert [text for text in found if place in text]
    if case != "vault-with-line-end":  # a `$` of Python's expressions matches before a last line end
        assert not validator().is_valid(document)


@pytest.mark.parametrize("case", ONLY_THE_PROGRAM)
def test_the_program_knows_what_a_schema_cannot_say(case: str) -> None:
    change, text = ONLY_THE_PROGRAM[case]
    assert [problem for problem in loaded().problems(changed(change)) if text in problem]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{", "is not JSON"), ("[]", "one object"), ('{"vault": "a", "vault": "b"}', "vault is given twice")],
)
def test_what_is_not_one_object_is_refused(machine: Machine, text: str, expected: str) -> None:
    machine.configure(text)
    assert expected in said(machine)


def test_a_missing_file_is_a_failure(machine: Machine) -> None:
    assert "cannot be opened" in said(machine)


def test_a_file_that_others_may_write_is_refused(machine: Machine) -> None:
    machine.configure(GOOD, mode=0o662)
    assert "nobody else can write" in said(machine)


def test_a_link_is_refused(machine: Machine) -> None:
    (machine.root / "elsewhere").write_text(json.dumps(GOOD), "utf-8")
    (machine.root / "etc/imagefactory/postdeploy.json").symlink_to(machine.root / "elsewhere")
    assert "cannot be opened" in said(machine)
