"""Enrolment of agents with the real rpm: what is installed, what the vendor's program gets, what a failure leaves."""

import hashlib
import itertools
import json
import os
import shutil
import signal
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from local.arm.launch import RunningArm
from tests import optional_tools
from tests.postdeploy import vendor
from tests.postdeploy.machine import FILES, VAULT, Machine, Ran

for tool in vendor.TOOLS:
    optional_tools.require(tool, "it makes, signs or installs the package of an agent")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="rpm installs below another root only for root")

CID = "0123456789ABCDEF0123456789ABCDEF-AB"
ONBOARDING = json.dumps({"onboardingInfo": "the-very-secret"})
FALCON, MDATP = "falcon-sensor.service", "mdatp.service"
_RPM = """#!/bin/bash
for word; do [[ $word != --dbpath ]] || exec {program} "$@"; done
exec {program} --root {root} "$@"
"""


class Fleet:
    """What the vendor delivers."""

    def __init__(self, folder: Path) -> None:
        self.vendor, self.stranger = (
            vendor.Vendor(folder / "v", "vendor"),
            vendor.Vendor(folder / "s", "stranger"),
        )
        self.unsigned = self.vendor.package("falcon-sensor", "CrowdStrike", "falconctl", vendor.FALCONCTL)
        self.signed = self.vendor.signed(self.unsigned)
        self.by_stranger = self.stranger.signed(self.unsigned)
        needy = self.vendor.package("falcon-sensor", "needy", "falconctl", "", more="Requires: libneedy\n")
        self.needy = self.vendor.signed(needy)
        self.mdatp = self.vendor.signed(
            self.vendor.package("mdatp", "microsoft", "wdavdaemon", "#!/bin/bash\n")
        )


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = Fleet(tmp_path_factory.mktemp("fleet"))
    yield made
    made.vendor.close()
    made.stranger.close()


class Deployed:
    """A machine whose image has staged the agents."""

    def __init__(self, machine: Machine, fleet: Fleet, prefix: str) -> None:
        self.machine, self.prefix = machine, prefix
        self.root = machine.root
        self.stage = self.root / "opt/stage/Tools"
        shutil.copytree(FILES / "agents", self.root / "usr/share/imagefactory/agents")
        for program in ("rpm", "rpmkeys"):
            machine.tool(program, _RPM.format(program=shutil.which(program), root=self.root))
        self.put("falcon-sensor", fleet.signed)
        self.put("mdatp", fleet.mdatp)
        for agent, key in (("falcon-sensor", "falcon-sensor-key"), ("mdatp", "microsoft-key")):
            self.put(key, fleet.vendor.key)
            self.define(agent, key={"tool": key, "sha256": fleet.vendor.key_digest})
        machine.put(f"{prefix}-cid", CID, "")
        machine.put(f"{prefix}-onboarding", ONBOARDING, "")

    def put(self, tool: str, file: Path) -> None:
        """Stage a file as the role `agent_stage` does."""
        folder = self.stage / tool / "7.1"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(file, folder)
        sums = self.stage / "SHA256SUMS"
        before = sums.read_text("utf-8").splitlines() if sums.exists() else []
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        kept = [line for line in before if f"  {tool}/" not in line]
        sums.write_text(
            "".join(f"{line}\n" for line in [*kept, f"{digest}  {tool}/7.1/{file.name}"]), "utf-8"
        )

    def define(self, agent: str, **change: Any) -> None:
        path = self.root / f"usr/share/imagefactory/agents/{agent}.json"
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")

    def enrol(self, *agents: dict[str, str], before: Sequence[str] = ()) -> Ran:
        wanted = agents or (self.falcon,)
        self.machine.configure({"vault": VAULT, "waitSeconds": 1, "agents": wanted})
        return self.machine.run("enrol", "--settle=0", before=before)

    @property
    def falcon(self) -> dict[str, str]:
        return {"agent": "falcon-sensor", "secret": f"{self.prefix}-cid"}

    @property
    def mdatp(self) -> dict[str, str]:
        return {"agent": "mdatp", "secret": f"{self.prefix}-onboarding"}

    @property
    def asked(self) -> list[str]:
        """The arguments that falconctl got."""
        path = self.root / "opt/CrowdStrike/asked"
        return path.read_text("utf-8").splitlines() if path.exists() else []


@pytest.fixture
def deployed(machine: Machine, fleet: Fleet, unique_name: Callable[[str], str]) -> Deployed:
    return Deployed(machine, fleet, unique_name("agent"))


def failure(ran: Ran) -> tuple[int, str]:
    return ran.code, ran.named("failed")[-1]["reason"]


def test_falcon_is_installed_enrolled_and_started(deployed: Deployed) -> None:
    ran = deployed.enrol()
    assert ran.code == 0, ran.output
    assert deployed.asked == [f"-s -f --cid={CID}"]
    assert deployed.machine.calls == [f"enable {FALCON}", f"restart {FALCON}"]
    (enrolled,) = ran.named("enrolled")
    assert (enrolled["agent"], enrolled["package"]) == ("falcon-sensor", "7.1-1")
    assert deployed.machine.status("enrol")["items"][0]["state"] == "enrolled"


def test_a_second_run_changes_nothing_and_does_not_ask_the_vault(deployed: Deployed) -> None:
    deployed.enrol()
    deployed.machine.forget_calls()
    deployed.machine.fault("secrets/", 403, code="Forbidden", times=9)
    ran = deployed.enrol()
    assert (ran.code, [each["agent"] for each in ran.named("unchanged")]) == (0, ["falcon-sensor"])
    assert (len(deployed.asked), deployed.machine.calls) == (1, [])


def test_the_value_is_neither_logged_nor_kept(deployed: Deployed) -> None:
    said = deployed.enrol(deployed.falcon, deployed.mdatp)
    assert said.code == 0, said.output
    (deployed.root / "opt/CrowdStrike/refuses").touch()
    (deployed.root / "opt/CrowdStrike/falconstore").unlink()
    again = deployed.enrol(deployed.falcon, deployed.mdatp)
    assert failure(again) == (21, "enrol")
    texts = said.output + said.errors + again.output + again.errors + deployed.machine.texts()
    assert CID not in texts
    assert "the-very-secret" not in texts


def test_defender_gets_its_document_for_root_alone(deployed: Deployed) -> None:
    assert deployed.enrol(deployed.mdatp).code == 0
    path = deployed.root / "etc/opt/microsoft/mdatp/mdatp_onboard.json"
    assert path.read_text("utf-8") == ONBOARDING
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert deployed.machine.calls == [f"enable {MDATP}", f"restart {MDATP}"]


@pytest.mark.parametrize(
    ("package", "reason"),
    [("unsigned", "signature"), ("by_stranger", "signature")],
    ids=["unsigned", "stranger"],
)
def test_a_package_without_the_pinned_signature_is_not_installed(
    deployed: Deployed, fleet: Fleet, package: str, reason: str
) -> None:
    deployed.put("falcon-sensor", getattr(fleet, package))
    assert failure(deployed.enrol()) == (20, reason)
    assert deployed.asked == []
    assert not (deployed.root / "opt/CrowdStrike").exists()


def test_a_stranger_whom_the_machine_trusts_does_not_count(deployed: Deployed, fleet: Fleet) -> None:
    """The keyring of the machine holds other keys, such as Red Hat's. Only the pinned one may sign an agent."""
    deployed.put("mdatp", fleet.mdatp)
    deployed.put("microsoft-key", fleet.stranger.key)
    deployed.define("mdatp", key={"tool": "microsoft-key", "sha256": fleet.stranger.key_digest})
    assert deployed.enrol().code == 0  # imports the vendor's key
    assert failure(deployed.enrol(deployed.mdatp)) == (20, "signature")


def test_another_key_than_the_pinned_one_is_refused(deployed: Deployed, fleet: Fleet) -> None:
    deployed.put("falcon-sensor-key", fleet.stranger.key)
    deployed.put("falcon-sensor", fleet.by_stranger)
    assert failure(deployed.enrol()) == (20, "key-digest")


def test_an_agent_whose_key_is_not_pinned_cannot_be_enrolled(deployed: Deployed) -> None:
    shutil.copy(FILES / "agents/falcon-sensor.json", deployed.root / "usr/share/imagefactory/agents")
    assert failure(deployed.enrol()) == (20, "key-not-pinned")


def test_a_staged_package_that_somebody_changed_is_refused(deployed: Deployed) -> None:
    (package,) = (deployed.stage / "falcon-sensor").glob("*/*.rpm")
    with package.open("ab") as stream:
        stream.write(b"x")
    assert failure(deployed.enrol()) == (20, "staged-digest")


def test_a_missing_dependency_is_named_and_nothing_is_downloaded(deployed: Deployed, fleet: Fleet) -> None:
    deployed.put("falcon-sensor", fleet.needy)
    ran = deployed.enrol()
    assert failure(ran) == (20, "install")
    assert "libneedy is needed by falcon-sensor" in ran.named("failed")[0]["text"]


def test_an_agent_that_is_not_staged_is_named(deployed: Deployed) -> None:
    shutil.rmtree(deployed.stage / "falcon-sensor")
    ran = deployed.enrol()
    assert failure(ran) == (20, "not-staged")
    assert "spec.build.catalog" in ran.named("failed")[0]["text"]


def test_an_agent_without_a_definition_is_refused_and_the_known_ones_are_named(deployed: Deployed) -> None:
    ran = deployed.enrol({"agent": "vault", "secret": f"{deployed.prefix}-cid"})
    assert failure(ran) == (78, "no-such-agent")
    assert "azure-monitor-agent, falcon-sensor, mdatp" in ran.named("failed")[0]["text"]


@pytest.mark.parametrize("value", [f"{CID} --trace=debug", "", "x"])
def test_a_value_of_another_form_never_reaches_the_program(deployed: Deployed, value: str) -> None:
    deployed.machine.put(f"{deployed.prefix}-cid", value, "")
    assert failure(deployed.enrol()) == (14, "value-form")
    assert deployed.asked == []


def test_the_second_run_completes_what_the_first_could_not(deployed: Deployed) -> None:
    assert failure(deployed.enrol(deployed.falcon | {"secret": f"{deployed.prefix}-none"})) == (
        13,
        "no-such-secret",
    )
    assert (deployed.root / "opt/CrowdStrike/falconctl").exists()  # the package is installed by then
    ran = deployed.enrol()
    assert (ran.code, len(deployed.asked)) == (0, 1)
    assert ran.named("run-started")[0]["rerun"] == "yes"


def test_a_service_that_does_not_start_is_started_by_the_next_run(deployed: Deployed) -> None:
    deployed.machine.break_enabling(FALCON)
    assert failure(deployed.enrol()) == (21, "service-down")
    deployed.machine.repair_enabling(FALCON)
    ran = deployed.enrol()
    assert (ran.code, len(deployed.asked)) == (0, 1)
    assert deployed.machine.unit_state(FALCON) == "active"


@pytest.fixture
def kill(
    tmp_path: Path, vault_and_identity: RunningArm, fleet: Fleet, unique_name: Callable[[str], str]
) -> Callable[[int], Ran]:
    """Kill an enrolment on a new machine before a step, and see the next run complete it. Gives how the first ended."""
    killed_at, prefix = str(Path(__file__).with_name("killed_at.py")), unique_name("killed")

    def at(step: int) -> Ran:
        deployed = Deployed(Machine(tmp_path / str(step), vault_and_identity), fleet, prefix)
        deployed.machine.start_unit(FALCON)  # as the installation of many packages does, before the enrolment
        killed = deployed.enrol(before=(killed_at, str(step)))
        if killed.code == -signal.SIGKILL:
            ran = deployed.enrol()
            assert ran.code == 0, (step, ran.output)
            assert deployed.machine.unit_state(FALCON) == "active"
            assert {*deployed.asked} == {f"-s -f --cid={CID}"}
            assert f"restart {FALCON}" in deployed.machine.calls  # else it would not know of its enrolment
        return killed

    return at


@pytest.mark.slow
@pytest.mark.parametrize(
    "step", [13, 21, 25], ids=["before-the-package", "before-the-record", "before-the-restart"]
)
def test_an_enrolment_that_was_killed_is_completed(kill: Callable[[int], Ran], step: int) -> None:
    assert kill(step).code == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_an_enrolment_may_be_killed_before_each_step(kill: Callable[[int], Ran]) -> None:
    for step in itertools.count(1):
        killed = kill(step)
        if killed.code != -signal.SIGKILL:
            break
    assert killed.code == 0
    assert step > 25


def test_one_agent_does_not_stop_the_next(deployed: Deployed) -> None:
    shutil.rmtree(deployed.stage / "falcon-sensor")
    ran = deployed.enrol(deployed.falcon, deployed.mdatp)
    assert ran.code == 20
    assert [each["agent"] for each in ran.named("enrolled")] == ["mdatp"]


def test_the_agent_of_azure_monitor_is_looked_at_only(deployed: Deployed) -> None:
    ran = deployed.enrol({"agent": "azure-monitor-agent"})
    assert failure(ran) == (21, "absent")
    deployed.machine.start_unit("azuremonitoragent.service")
    ran = deployed.enrol({"agent": "azure-monitor-agent"})
    assert (ran.code, len(ran.named("running"))) == (0, 1)
    assert deployed.machine.calls == []
