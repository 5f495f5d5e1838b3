"""What a machine does when its identity is late, the vault is away or refuses, or a certificate cannot be used."""

from collections.abc import Callable

import pytest

from tests.postdeploy import pki
from tests.postdeploy.machine import APP, VAULT, Machine, Ran

pytestmark = pytest.mark.slow  # each run is a process with some openssl, and its service must stay up
TOKEN = "metadata/identity"
NOWHERE = "https://127.0.0.1:9"


@pytest.fixture
def name(unique_name: Callable[[str], str]) -> str:
    return unique_name("tls")


@pytest.fixture
def installed(machine: Machine, name: str) -> Machine:
    """A machine with a working certificate."""
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name))
    assert machine.run().code == 0
    machine.forget_calls()
    return machine


def assert_untouched(machine: Machine, before: str) -> None:
    assert machine.version == before
    assert machine.calls == []


def failure(ran: Ran) -> tuple[int, str]:
    return ran.code, ran.named("failed")[-1]["reason"]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        pytest.param(404, "", id="updating", marks=pytest.mark.campaign),
        pytest.param(400, "Identity not found", id="absent"),
        pytest.param(410, "", id="gone", marks=pytest.mark.campaign),
        pytest.param(429, "", id="throttled", marks=pytest.mark.campaign),
        pytest.param(503, "", id="unavailable"),
    ],
)
def test_a_late_identity_is_waited_for(machine: Machine, name: str, status: int, message: str) -> None:
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name))
    machine.fault(TOKEN, status, message=message, times=3)
    ran = machine.run()
    assert ran.code == 0, ran.output
    assert [each["status"] for each in ran.named("identity-waits")] == [str(status)]
    assert float(ran.named("run-ended")[0]["waited"]) > 0


def test_an_identity_that_never_comes_ends_the_run(machine: Machine, name: str) -> None:
    machine.configure(machine.certificate(name) | {"waitSeconds": 0})
    machine.fault(TOKEN, 400, message="Identity not found", times=3)
    assert failure(machine.run()) == (10, "identity-late")


def test_a_wrong_question_to_the_metadata_service_is_not_repeated(machine: Machine, name: str) -> None:
    machine.configure(machine.certificate(name))
    machine.fault(
        TOKEN, 400, code="bad_request_102", message="Required metadata header not specified", times=2
    )
    assert failure(machine.run()) == (10, "identity-refused")


def test_an_identity_that_the_machine_does_not_have_is_late(machine: Machine, name: str) -> None:
    wish = machine.certificate(name) | {"clientId": "11111111-2222-4333-8444-555555555555", "waitSeconds": 0}
    machine.configure(wish)
    assert failure(machine.run()) == (10, "identity-late")


def test_without_a_metadata_service_the_run_ends(machine: Machine, name: str) -> None:
    machine.configure(machine.certificate(name) | {"waitSeconds": 1})
    ran = machine.run(imds="http://127.0.0.1:9")
    assert failure(ran) == (10, "identity-late")
    assert "refused" in ran.named("identity-waits")[0]["cause"]


def test_the_vault_is_away_and_comes_back(installed: Machine, name: str) -> None:
    before = installed.version
    installed.put(name, pki.made().pem)
    assert failure(installed.run(vault=NOWHERE)) == (11, "vault-unreachable")
    assert_untouched(installed, before)
    assert (installed.status()["result"], installed.status()["failuresInARow"]) == ("failed", 1)
    ran = installed.run()
    assert ran.code == 0
    assert installed.version != before
    assert ran.named("run-started")[0]["rerun"] == "yes"
    assert installed.status()["failuresInARow"] == 0


@pytest.mark.parametrize(
    "status",
    [pytest.param(429, marks=pytest.mark.campaign), pytest.param(500, marks=pytest.mark.campaign), 503],
)
def test_a_vault_in_trouble_is_asked_again(machine: Machine, name: str, status: int) -> None:
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name))
    machine.fault("secrets/", status, times=2)
    assert machine.run().code == 0


def test_a_denied_identity_ends_the_run_and_names_the_role(installed: Machine) -> None:
    before = installed.version
    installed.fault("secrets/", 403, code="Forbidden", message="oid=1 is not allowed", times=1)
    ran = installed.run()
    assert failure(ran) == (12, "denied")
    assert "Key Vault Secrets User" in ran.named("failed")[0]["text"]
    assert "oid=1" not in ran.output
    assert_untouched(installed, before)


def test_before_the_first_certificate_a_grant_may_be_late(machine: Machine, name: str) -> None:
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name))
    machine.fault("secrets/", 403, code="Forbidden", times=3)
    assert machine.run().code == 0


def test_a_secret_that_does_not_exist_is_named(machine: Machine, name: str) -> None:
    machine.configure(machine.certificate(name))
    ran = machine.run()
    assert failure(ran) == (13, "no-such-secret")
    assert f"{VAULT}/secrets/{name}" in ran.named("failed")[0]["text"]


def broken_key() -> str:
    cert = pki.made()
    lines = cert.key_pem.splitlines()
    return "\n".join([lines[0], lines[1][::-1], *lines[2:]]) + "\n" + cert.leaf_pem


def broken_leaf() -> str:
    cert = pki.made()
    lines = cert.leaf_pem.splitlines()
    return cert.key_pem + "\n".join([lines[0], lines[1][::-1], *lines[2:]]) + "\n"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda: pki.made().key_pem + pki.made().leaf_pem, "key-mismatch"),
        (broken_key, "key-broken"),
        (broken_leaf, "certificate-broken"),
        (lambda: pki.made().leaf_pem, "key-count"),
        (lambda: pki.made().key_pem, "no-certificate"),
        (lambda: pki.made().pem + pki.made().key_pem, "key-count"),
        (lambda: pki.made(days=-1).pem, "expired"),
        (lambda: pki.made(starts=1).pem, "not-yet-valid"),
        (lambda: pki.made().pem + pki.made("stranger").leaf_pem, "chain"),
        (lambda: "nothing", "key-count"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_service_could_not_use_is_refused(
    installed: Machine, name: str, value: Callable[[], str], reason: str
) -> None:
    before, secret = installed.version, value()
    installed.put(name, secret)
    ran = installed.run()
    assert failure(ran) == (14, reason)
    assert_untouched(installed, before)
    assert not [line for line in secret.splitlines() if len(line) > 40 and line in ran.output]


@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [("!", pki.PKCS12, "pkcs12-broken"), ("AAAA", pki.PKCS12, "pkcs12-broken"), ("x", "", "content-type")],
)
def test_what_is_no_certificate_is_refused(
    installed: Machine, name: str, value: str, kind: str, reason: str
) -> None:
    installed.put(name, value, kind)
    assert failure(installed.run()) == (14, reason)


def test_a_certificate_that_ends_soon_is_announced(machine: Machine, name: str) -> None:
    machine.put(name, pki.made(days=9).pem)
    machine.configure(machine.certificate(name))
    ran = machine.run()
    assert ran.code == 0
    assert ran.named("expires-soon")[0]["days_left"] == "8"


@pytest.mark.parametrize("at_once", [True, False], ids=["systemctl-fails", "dies-later"])
def test_a_service_that_does_not_come_up_gets_the_former_version(
    installed: Machine, name: str, at_once: bool
) -> None:
    before = installed.version
    new = pki.made()
    installed.put(name, new.pem)
    installed.refuse("any")
    ran = installed.run()  # the former version does not help either
    assert failure(ran) == (15, "service-down")
    assert [each["event"] for each in ran.events if each["event"] in ("former-down", "rolled-back")] == [
        "former-down",
        "rolled-back",
    ]
    assert installed.version == before
    refused = ran.named("rolled-back")[0]["refused"]
    installed.refuse(refused, at_once=at_once)
    ran = installed.run()
    assert failure(ran) == (15, "service-down")
    assert (installed.version, installed.unit_state()) == (before, "active")
    assert installed.last_call_version == before
    assert ran.named("former-down") == []


def test_a_service_that_is_slow_to_restart_is_waited_for(installed: Machine, name: str) -> None:
    """Its job is queued, it stops, it starts. None of that is a failure."""
    before = installed.version
    installed.put(name, pki.made().pem)
    installed.slow("7 active running", "7 deactivating stop-sigterm", "7 activating start")
    ran = installed.run()
    assert ran.code == 0, ran.output
    assert installed.version != before
    assert installed.calls == [f"restart {APP}"]


@pytest.mark.parametrize(
    ("states", "text"),
    [
        (["7 activating start"] * 9, "is still activating (start) after 1 s"),
        (["- activating auto-restart"], "died while it started"),
        (["- failed failed"], "is not active: failed (failed)"),
    ],
    ids=["too-slow", "restarted-by-systemd", "failed"],
)
def test_a_service_that_does_not_end_its_start_gets_the_former_version(
    installed: Machine, name: str, states: list[str], text: str
) -> None:
    before = installed.version
    installed.put(name, pki.made().pem)
    services = [{"unit": APP, "settleSeconds": 1, "startSeconds": 1}]
    installed.configure(installed.certificate(name, services=services))
    installed.slow(*states)
    ran = installed.run()
    assert failure(ran) == (15, "service-down")
    assert text in ran.named("failed")[0]["text"]
    assert installed.version == before


def test_a_reload_that_fails_gets_the_former_version(installed: Machine, name: str) -> None:
    before = installed.version
    installed.put(name, pki.made().pem)
    services = [{"unit": APP, "action": "reload", "settleSeconds": 1}]
    installed.configure(installed.certificate(name, services=services))
    installed.break_reload("exit-code")
    ran = installed.run()
    assert failure(ran) == (15, "service-down")
    assert "could not be reloaded: exit-code" in ran.named("failed")[0]["text"]
    assert installed.version == before


def test_a_refused_version_is_left_alone_by_the_timer_and_not_by_a_person(
    installed: Machine, name: str
) -> None:
    before = installed.version
    installed.put(name, pki.made().pem)
    installed.refuse("any")
    installed.run()
    installed.accept()
    installed.forget_calls()
    by_timer = installed.run(environment={"TRIGGER_UNIT": "certlc-run.timer"})
    assert failure(by_timer) == (15, "refused-before")
    assert_untouched(installed, before)
    by_hand = installed.run()
    assert by_hand.code == 0
    assert installed.version != before
    assert installed.calls == [f"restart {APP}"]


def test_a_newer_version_is_tried_at_once(installed: Machine, name: str) -> None:
    installed.put(name, pki.made().pem)
    installed.refuse("any")
    installed.run()
    installed.accept()
    installed.put(name, pki.made().pem)
    assert installed.run("certlc", "--by-timer").code == 0


def test_the_second_run_succeeds_after_a_first_whose_service_did_not_start(
    machine: Machine, name: str
) -> None:
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name))
    machine.refuse("any")
    first = machine.run("certlc", "--by-timer")
    assert failure(first) == (15, "service-down")
    assert first.named("rolled-back") == []
    machine.accept()
    second = machine.run("certlc", "--by-timer")
    assert (second.code, machine.unit_state()) == (0, "active")
    assert second.named("installed")
    assert len(second.named("provisioned")) == 1


def test_a_service_that_waits_for_the_run_is_not_waited_for(installed: Machine, name: str) -> None:
    """systemd would start it after the end of the run, which waits for its start."""
    before = installed.version
    installed.put(name, pki.made().pem)
    installed.order_after("basic.target", "certlc-run.service")
    ran = installed.run()
    assert failure(ran) == (78, "service-order")
    assert "has After=certlc-run.service" in ran.named("failed")[0]["text"]
    assert_untouched(installed, before)


def test_an_account_that_does_not_exist_is_named(machine: Machine, name: str) -> None:
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name, owner="nobody-has-this"))
    ran = machine.run()
    assert failure(ran) == (78, "no-such-user")
    assert not machine.folder.exists()


def test_a_service_that_is_not_deployed_yet_is_no_failure(machine: Machine, name: str) -> None:
    """Its archive is missing, so systemd leaves it out. The machine is provisioned, without an alert each hour."""
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name))
    machine.leave_out()
    ran = machine.run("certlc", "--by-timer")
    assert ran.code == 0, ran.output
    (service,) = ran.named("service")
    assert (service["unit"], service["result"]) == (APP, "not-yet")
    assert "a condition of the unit does not hold" in service["text"]
    assert (len(ran.named("installed")), len(ran.named("provisioned"))) == (1, 1)
    assert (machine.status()["result"], machine.unit_state()) == ("done", "inactive")
    assert machine.run("certlc", "--by-timer").named("unchanged")
    assert machine.calls == [f"restart {APP}"]


def test_a_service_that_ran_and_is_left_out_now_is_a_failure(installed: Machine, name: str) -> None:
    installed.put(name, pki.made().pem)
    installed.leave_out()
    ran = installed.run()
    assert failure(ran) == (15, "service-down")
    assert "a condition of the unit does not hold" in ran.named("failed")[0]["text"]


def test_an_inactive_service_whose_conditions_nobody_looked_at_is_a_failure(
    machine: Machine, name: str
) -> None:
    """systemd says `ConditionResult=no` of it too: also of one that ended at once, and that it has forgotten."""
    machine.put(name, pki.made().pem)
    machine.configure(machine.certificate(name))
    machine.leave_out(forgotten=True)
    ran = machine.run()
    assert failure(ran) == (15, "service-down")
    assert "is not active: inactive" in ran.named("failed")[0]["text"]
