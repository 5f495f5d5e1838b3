"""A machine that restarts loses what is staged. The builder's steps go on; steps that do not stage it again fail."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from builder.packer import provisioners
from local.guest.guests import Guest
from local.guest.replies import CommandEnd
from local.recorded.machine import RecordedMachine
from local.recorded.template import TemplateStep
from local.scenario import PackerScenario
from tests.unit.builder import samples

Block = Mapping[str, Any]
JOBS = {"root": samples.root_job(), "child": samples.child_job()}
RESTARTS = ("restart", "restart-late")
NOBODY = frozenset[str]()


def _plan(job: str = "root") -> provisioners.ProvisionPlan:
    return provisioners.plan(JOBS[job], frozenset(samples.BUNDLE), frozenset(samples.PLATFORM))


def _recorded(plan: provisioners.ProvisionPlan, blocks: Sequence[Block], scenario: str) -> str:
    """How the recorded Packer's machine ends: the first failure, or nothing."""
    said: list[str] = []
    machine = RecordedMachine(PackerScenario(name=scenario), said.append, said.append)
    texts = {script.file: script.content for script in plan.scripts}
    for block in blocks:
        ((kind, values),) = block.items()
        text = texts.get(values.get("script", ""), "")
        failed = machine.take(TemplateStep(kind, values), _title(text), text)
        if failed:
            return failed
    return ""


def _title(text: str) -> str:
    return next((line for line in text.splitlines() if line.startswith("printf '%s")), "")


def _guest(scenario: str) -> Guest:
    return Guest(machine="vm", user="packer", keys=NOBODY, tags={}, scenario=PackerScenario(name=scenario))


def _on_guest(plan: provisioners.ProvisionPlan, blocks: Sequence[Block], scenario: str) -> tuple[int, Guest]:
    """How the emulated guest ends: the exit code of the first step that fails, or 0."""
    guest = _guest(scenario)
    texts = {script.file: script.content for script in plan.scripts}
    for block in blocks:
        ((kind, values),) = block.items()
        if kind == "file":
            guest.write(values["destination"], b"x")
            continue
        code = _shell(guest, texts[values["script"]], values)
        if code:
            return code, guest
    return 0, guest


def _shell(guest: Guest, text: str, values: Mapping[str, Any]) -> int:
    for _ in range(1 + values.get("max_retries", 0)):
        guest.write("/tmp/script_1.sh", text.encode())
        reply = guest.run("sudo -n /bin/bash -p /tmp/script_1.sh")
        if reply.fate is CommandEnd.RESTARTS:
            guest.go_down()
            guest.come_up()
            return 0 if values.get("expect_disconnect") else -1
        if not reply.exit_code:
            break
        if guest.staged.is_going_down:
            guest.come_up()
    return reply.exit_code


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("scenario", ["ok", *RESTARTS])
def test_the_builders_steps_go_on_after_a_restart(job: str, scenario: str) -> None:
    plan = _plan(job)
    assert _recorded(plan, plan.blocks, scenario) == ""
    code, guest = _on_guest(plan, plan.blocks, scenario)
    assert code == 0
    assert guest.staged.boots == (1 if scenario == "ok" else 2)


def _without(plan: provisioners.ProvisionPlan, what: str) -> list[Block]:
    """The blocks with one thing left out of what follows the restart."""
    blocks: list[Block] = list(plan.blocks)
    at = next(n for n, each in enumerate(blocks) if "expect_disconnect" in each.get("shell", {}))
    match what:
        case "the expectation":
            blocks[at] = {"shell": {**blocks[at]["shell"], "expect_disconnect": False}}
        case "the wait":
            del blocks[at + 1]
        case "the tries":
            blocks[at + 1] = {"shell": {**blocks[at + 1]["shell"], "max_retries": 0}}
        case "the uploads":
            del blocks[at + 2 : at + 5]
        case "one upload":
            del blocks[at + 3]
        case "the second preparation":
            del blocks[at + 2 : at + 6]
    return blocks


LEFT_OUT = {
    "the expectation": ("restart",),
    "the wait": ("restart-late",),
    "the tries": ("restart-late",),
    "the uploads": RESTARTS,
    "one upload": RESTARTS,
    "the second preparation": RESTARTS,
}


@pytest.mark.parametrize("scenario", RESTARTS)
@pytest.mark.parametrize("what", LEFT_OUT)
def test_a_template_that_is_not_made_for_a_restart_fails(what: str, scenario: str) -> None:
    plan = _plan()
    blocks, fails = _without(plan, what), scenario in LEFT_OUT[what]
    assert bool(_recorded(plan, blocks, scenario)) is fails
    assert bool(_on_guest(plan, blocks, scenario)[0]) is fails


def test_platform_steps_without_a_restart_are_planned_as_before() -> None:
    older = {name for name in samples.PLATFORM if "restart" not in name}
    plan = provisioners.plan(samples.root_job(), frozenset(samples.BUNDLE), frozenset(older))
    texts = [str(block) for block in plan.blocks]
    assert not [text for text in texts if "max_retries" in text or "expect_disconnect" in text]
    assert [script.file for script in plan.scripts if "prepare" in script.file] == ["steps/00-prepare.sh"]


def test_a_disk_survives_a_restart_and_nobody_signs_in_meanwhile() -> None:
    guest = replace(_guest("restart"), files={"/tmp/a": b"x"})
    cut: list[str] = []
    guest.closers.add(lambda: cut.append("cut"))
    guest.go_down()
    assert (cut, guest.is_restarting) == (["cut"], True)
    guest.come_up()
    assert (guest.files, guest.is_restarting) == ({"/tmp/a": b"x"}, False)
