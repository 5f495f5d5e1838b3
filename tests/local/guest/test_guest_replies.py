"""The answers of an emulated machine to commands."""

import pytest

from local import scenario
from local.guest.replies import NOTE, CommandEnd, to_command
from local.scenario import PackerScenario

SCRIPT = b"#!/bin/bash\nset -e\nprintf '%s\\n' 'imagefactory: step 4 of 7: shell: scripts/install.sh'\n"
FILES = {"/tmp/s.sh": SCRIPT, "/tmp/other.sh": b"#!/bin/sh\ntrue\n"}
STEP = "imagefactory: step 4 of 7: shell: scripts/install.sh"
RUN = "chmod 0700 /tmp/s.sh; sudo -n /bin/bash /tmp/s.sh"


def test_a_script_is_announced_and_marked_as_not_run() -> None:
    reply = to_command(RUN, FILES, PackerScenario())
    assert (reply.fate, reply.exit_code, reply.step) == (CommandEnd.ENDS, 0, STEP)
    assert reply.output == f"{STEP}\n{NOTE}\n"


@pytest.mark.parametrize(
    "command", ["sh /tmp/s.sh", "/bin/bash -e /tmp/s.sh", "sudo /usr/bin/bash /tmp/s.sh"]
)
def test_a_shell_is_known_by_its_usual_names(command: str) -> None:
    assert to_command(command, FILES, PackerScenario()).step == STEP


def test_a_script_that_nobody_uploaded_is_not_found() -> None:
    reply = to_command("sudo -n /bin/bash /tmp/none.sh", FILES, PackerScenario())
    assert (reply.exit_code, reply.step) == (127, "")


def test_other_commands_end_well_and_a_removal_names_its_file() -> None:
    assert to_command("chmod 0755 /tmp/s.sh", FILES, PackerScenario()).exit_code == 0
    assert to_command("rm -f /tmp/s.sh", FILES, PackerScenario()).removed == "/tmp/s.sh"
    assert to_command("rm -f ", FILES, PackerScenario()).removed == ""


@pytest.mark.parametrize(
    ("how", "fate", "code"),
    [
        (PackerScenario(name="fail-provisioner", exit_code=3, output="broken"), CommandEnd.ENDS, 3),
        (PackerScenario(name="fail-provisioner", step="step 5 of", exit_code=3), CommandEnd.ENDS, 0),
        (PackerScenario(name="fail-hygiene"), CommandEnd.ENDS, 0),
        (PackerScenario(name="fail-goss"), CommandEnd.ENDS, 0),
        (PackerScenario(name="hang"), CommandEnd.HANGS, 0),
        (PackerScenario(name="drop", step="install.sh"), CommandEnd.DROPS, 0),
    ],
)
def test_the_scenario_decides(how: PackerScenario, fate: CommandEnd, code: int) -> None:
    reply = to_command(RUN, FILES, how)
    assert (reply.fate, reply.exit_code) == (fate, code)
    is_well = fate is CommandEnd.ENDS and code == 0
    assert (NOTE in reply.output) is is_well
    assert how.output in reply.output or is_well


@pytest.mark.parametrize(
    ("name", "step", "hits"),
    [
        ("fail-provisioner", "imagefactory: step 0 of 7: prepare", False),
        ("fail-provisioner", "imagefactory: step 1 of 7: platform: platform/before/10-update.sh", False),
        ("fail-provisioner", "imagefactory: step 4 of 7: shell: scripts/install.sh", True),
        ("fail-provisioner", "imagefactory: step 1 of 1: platform: verify", True),
        ("fail-provisioner", "imagefactory: step 1 of 11: platform: verify", False),
        ("fail-provisioner", "", True),
        ("fail-hygiene", "imagefactory: step 6 of 7: platform: platform/after/85-hygiene-check.sh", True),
        ("fail-capacity", "imagefactory: step 4 of 7: shell: scripts/install.sh", False),
        ("ok", "imagefactory: step 4 of 7: shell: scripts/install.sh", False),
    ],
)
def test_a_scenario_without_a_step_has_one_of_its_own(name: str, step: str, hits: bool) -> None:
    assert PackerScenario(name=name).hits(step) is hits


@pytest.mark.parametrize("entry", [3, ["ok"], {"scenario": "hang", "stepp": "x"}, None])
def test_an_entry_that_is_not_a_scenario_is_refused(entry: object) -> None:
    with pytest.raises(ValueError, match="is not a scenario"):
        scenario.parse(entry)
