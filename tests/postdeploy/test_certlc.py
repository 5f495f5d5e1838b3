"""Certificates of a machine: first run, no change, rotation, and what the files and services are afterwards."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.postdeploy import pki
from tests.postdeploy.machine import APP, Machine, own_group, own_name

pytestmark = pytest.mark.slow  # each run is a process with some openssl, and its service must stay up


@pytest.fixture
def name(unique_name: Callable[[str], str]) -> str:
    return unique_name("tls")


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}


def test_the_first_run_installs_and_starts_the_service(machine: Machine, name: str) -> None:
    cert = pki.made()
    machine.put(name, cert.pem)
    machine.configure(machine.certificate(name))
    ran = machine.run()
    assert (ran.code, ran.errors) == (0, "")
    assert (machine.current / "key.pem").read_text() == cert.key_pem
    assert (machine.current / "cert.pem").read_text() == cert.leaf_pem
    assert (machine.current / "chain.pem").read_text() == cert.chain_pem
    assert (machine.current / "fullchain.pem").read_text() == cert.leaf_pem + cert.chain_pem
    assert modes(machine.current) == {
        "key.pem": "0o600",
        "cert.pem": "0o644",
        "chain.pem": "0o644",
        "fullchain.pem": "0o644",
    }
    assert machine.calls == [f"restart {APP}"]
    assert machine.unit_state() == "active"
    (installed,) = ran.named("installed")
    assert (installed["certificate"], installed["version"]) == (name, machine.version)
    assert float(installed["seconds"]) >= 0
    assert [each["event"] for each in ran.events] == [
        "run-started",
        "service",
        "installed",
        "provisioned",
        "run-ended",
    ]
    assert float(ran.named("provisioned")[0]["since_boot"]) > 0


def test_a_run_without_a_change_touches_nothing(machine: Machine, name: str) -> None:
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name))
    machine.run()
    before = (os.readlink(machine.current), (machine.current / "key.pem").stat().st_mtime_ns)
    machine.forget_calls()
    ran = machine.run()
    assert (ran.code, machine.calls) == (0, [])
    assert (os.readlink(machine.current), (machine.current / "key.pem").stat().st_mtime_ns) == before
    assert ran.named("unchanged")[0]["certificate"] == name
    assert (machine.status()["runs"], machine.status()["failuresInARow"]) == (2, 0)


def test_a_new_version_is_switched_to_and_the_former_kept(machine: Machine, name: str) -> None:
    old, new = pki.made(), pki.made()
    machine.put(name, old.pem)
    machine.configure(machine.certificate(name))
    machine.run()
    first = machine.version
    machine.put(name, new.pem)
    ran = machine.run()
    assert ran.code == 0
    assert machine.version != first
    assert (machine.current / "key.pem").read_text() == new.key_pem
    assert machine.calls == [f"restart {APP}"] * 2
    assert machine.last_call_version == machine.version
    assert ran.named("rotated")[0]["version"] == machine.version
    kept = {path.name.rpartition("-")[0] for path in (machine.folder / "versions").iterdir()}
    assert kept == {first, machine.version}
    machine.put(name, pki.made().pem)
    machine.run()
    assert len(list((machine.folder / "versions").iterdir())) == 2


def test_the_same_content_as_a_new_version_restarts_nothing(machine: Machine, name: str) -> None:
    cert = pki.made()
    machine.put(name, cert.pem)
    machine.configure(machine.certificate(name))
    machine.run()
    first = machine.version
    machine.put(name, cert.pem)
    machine.forget_calls()
    assert machine.run().code == 0
    assert machine.version != first
    assert machine.calls == []


def test_a_pinned_version_stays(machine: Machine, name: str) -> None:
    old = pki.made()
    machine.put(name, old.pem)
    machine.configure(machine.certificate(name))
    machine.run()
    pinned = machine.version
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name, version=pinned))
    ran = machine.run()
    assert (ran.code, machine.version) == (0, pinned)
    assert (machine.current / "key.pem").read_text() == old.key_pem


def test_pkcs12_is_converted_without_a_file(machine: Machine, name: str) -> None:
    cert = pki.made()
    machine.put(name, cert.pkcs12, pki.PKCS12)
    machine.configure(machine.certificate(name))
    ran = machine.run()
    assert ran.code == 0, ran.output
    assert (machine.current / "cert.pem").read_text() == cert.leaf_pem
    assert (machine.current / "chain.pem").read_text() == cert.chain_pem


def test_old_pkcs12_is_read_outside_of_fips_mode(machine: Machine, name: str) -> None:
    cert = pki.made()
    machine.put(name, cert.old_pkcs12, pki.PKCS12)
    machine.configure(machine.certificate(name))
    mode = machine.root / "proc/sys/crypto/fips_enabled"
    mode.parent.mkdir(parents=True)
    mode.write_text("1\n")
    refused = machine.run()
    assert (refused.code, refused.named("failed")[0]["reason"]) == (14, "pkcs12-broken")
    mode.write_text("0\n")
    ran = machine.run()
    assert ran.code == 0, ran.output
    assert (machine.current / "key.pem").read_text() == cert.key_pem
    assert (machine.current / "chain.pem").read_text() == cert.chain_pem


def test_files_owner_mode_and_reload_are_as_configured(machine: Machine, name: str) -> None:
    machine.put(name, pki.made().pem)
    services = [{"unit": APP, "action": "reload", "settleSeconds": 1}]
    wish = machine.certificate(
        name, mode="0440", files={"combined": "haproxy.pem", "certificate": "tls.crt"}, services=services
    )
    machine.configure(wish)
    assert machine.run().code == 0
    assert modes(machine.current) == {"haproxy.pem": "0o440", "tls.crt": "0o644"}
    assert (machine.current / "haproxy.pem").read_text().count("BEGIN") == 4
    assert machine.calls == [f"reload-or-restart {APP}"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_belongs_to_the_account_of_its_service(machine: Machine, name: str) -> None:
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name, owner="nobody"))
    assert machine.run().code == 0
    facts = (machine.current / "key.pem").stat()
    assert (facts.st_uid, stat.S_IMODE(facts.st_mode)) == (65534, 0o600)
    # The folders are root's: the account cannot put another key in the place of this one.
    assert machine.current.stat().st_uid == 0


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: (folder / "key.pem").chmod(0o644), id="mode", marks=pytest.mark.campaign),
        pytest.param(lambda folder: (folder / "cert.pem").write_text("changed"), id="content"),
        pytest.param(
            lambda folder: (folder / "chain.pem").unlink(), id="missing", marks=pytest.mark.campaign
        ),
    ],
)
def test_a_file_that_somebody_changed_is_repaired(
    machine: Machine, name: str, change: Callable[[Path], object]
) -> None:
    cert = pki.made()
    machine.put(name, cert.pem)
    machine.configure(machine.certificate(name))
    machine.run()
    change(machine.current)
    machine.forget_calls()
    assert machine.run().code == 0
    assert (machine.current / "cert.pem").read_text() == cert.leaf_pem
    assert modes(machine.current)["key.pem"] == "0o600"
    assert machine.calls == [f"restart {APP}"]


def test_a_changed_configuration_is_applied_without_a_new_version(machine: Machine, name: str) -> None:
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name))
    machine.run()
    first = machine.version
    machine.configure(machine.certificate(name, mode="0640"))
    assert machine.run().code == 0
    assert machine.version == first
    assert modes(machine.current)["key.pem"] == "0o640"


def test_two_certificates_do_not_wait_for_each_other(machine: Machine, name: str) -> None:
    machine.put(name, pki.made().pem)
    wish = machine.certificate(name)
    broken = {**wish["certificates"][0], "name": f"{name}-none", "folder": "none"}
    machine.configure({**wish, "certificates": [broken, wish["certificates"][0]]})
    ran = machine.run()
    assert ran.code == 13
    assert (machine.current / "key.pem").exists()
    assert [(item["certificate"], item["state"]) for item in machine.status()["items"]] == [
        (f"{name}-none", "failed"),
        (name, "installed"),
    ]


def test_a_second_run_at_once_gives_way(machine: Machine, name: str) -> None:
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name, services=[{"unit": APP, "settleSeconds": 3}]))
    with subprocess.Popen(
        machine.command("certlc"), env=machine.environment(), stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert "run-started" in first.stdout.readline()
        second = machine.run()
        assert (second.code, second.events[-1]["reason"]) == (16, "busy")
        assert machine.status()["result"] == "running"
        first.communicate(timeout=30)
        assert first.returncode == 0
    assert machine.calls == [f"restart {APP}"]


def test_no_value_of_a_secret_is_in_a_log_or_in_the_state(machine: Machine, name: str) -> None:
    cert = pki.made()
    machine.put(name, cert.pem)
    machine.configure(machine.certificate(name))
    said = machine.run().output
    machine.put(name, cert.key_pem + pki.made().leaf_pem)
    said += machine.run().output
    body = cert.key_pem.splitlines()[1]
    assert body not in said + machine.texts()
    assert "eyJ" not in said + machine.texts()
    assert own_name()
    assert own_group()
