"""The units that the image holds: systemd accepts them, they are off, they are closed; a failed one is reported."""

import configparser
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests import optional_tools
from tests.postdeploy import pki
from tests.postdeploy.machine import FILES, Machine

UNITS = FILES / "units"
RUNS = ("certlc-run", "agent-enroll")
UNIT_NAMES = sorted(path.name for path in UNITS.iterdir() if path.suffix in {".service", ".timer"})
PROGRAMS = ("certlc", "enrol", "unit-failed")
OTHERS = ("network-online.target", "timers.target", "sysinit.target", "basic.target", "shutdown.target")


class _UnitFile(configparser.RawConfigParser):
    """None of our unit files has a key twice in a section."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr  # keys of systemd have capitals


def unit(name: str) -> configparser.RawConfigParser:
    found = _UnitFile(comment_prefixes=("#",), delimiters=("=",))
    found.read_string((UNITS / name).read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", RUNS)
def test_a_run_reports_its_failure_and_never_happens_in_a_build(name: str) -> None:
    found = unit(f"{name}.service")
    assert found["Unit"]["OnFailure"] == "postdeploy-failed@%n.service"
    assert found["Unit"]["ConditionPathExists"] == "!/run/imagefactory"
    assert found["Service"]["SyslogIdentifier"] == "imagefactory-postdeploy"
    assert found["Service"]["StateDirectory"] == "imagefactory/postdeploy"
    assert not found.has_section("Install")  # only its timer can be enabled


@pytest.mark.parametrize("name", RUNS)
def test_a_timer_is_off_by_preset_and_repeats(name: str) -> None:
    preset = (UNITS / "85-imagefactory-postdeploy.preset").read_text("utf-8").splitlines()
    assert f"disable {name}.timer" in preset
    timer = dict(unit(f"{name}.timer")["Timer"])
    assert {"OnActiveSec", "OnUnitInactiveSec", "AccuracySec"} <= set(timer)
    # The machines of a scale set boot together. Each keeps a moment of its own.
    assert (timer["RandomizedDelaySec"], timer["FixedRandomDelay"]) == ("20min", "yes")


def test_every_program_of_a_unit_is_a_fixed_path_without_arguments_of_others() -> None:
    started = {path.name: unit(path.name)["Service"]["ExecStart"] for path in UNITS.glob("*.service")}
    assert started == {
        "certlc-run.service": "/usr/libexec/imagefactory/certlc",
        "agent-enroll.service": "/usr/libexec/imagefactory/enrol",
        "postdeploy-failed@.service": "/usr/libexec/imagefactory/unit-failed %i",
    }
    for program in PROGRAMS:
        first = (FILES / "libexec" / program).read_text("utf-8").splitlines()[0]
        assert first == "#!/usr/libexec/platform-python -sEB"


def root_with_units(folder: Path) -> Path:
    """A root with the units and something that can be run in the places of their programs."""
    target = folder / "usr/lib/systemd/system"
    target.mkdir(parents=True)
    for path in UNITS.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    for name in OTHERS:
        (target / name).write_text("[Unit]\nDescription=test\n", "utf-8")
    for name in ("-.mount", "tmp.mount", "system.slice", "-.slice"):
        (target / name).write_text("", "utf-8")
    for name in PROGRAMS:
        program = folder / "usr/libexec/imagefactory" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/true\n", "utf-8")
        program.chmod(0o755)
    return folder


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def verify(root: Path, name: str) -> subprocess.CompletedProcess[str]:
    """As the role `postdeploy` does."""
    words = ("verify", "--man=no", "--recursive-errors=no", f"--root={root}")
    return analyze(*words, f"/usr/lib/systemd/system/{name}")


@pytest.mark.parametrize("name", UNIT_NAMES)
def test_systemd_accepts_each_unit_and_finds_a_mistake_in_it(tmp_path: Path, name: str) -> None:
    optional_tools.require("systemd-analyze", "it verifies unit files")
    root = root_with_units(tmp_path)
    done = verify(root, name)
    assert (done.returncode, done.stderr) == (0, "")
    path = root / "usr/lib/systemd/system" / name
    path.write_text(path.read_text("utf-8").replace("[Unit]\n", "[Unit]\nDescribed=x\n"), "utf-8")
    done = verify(root, name)
    assert done.returncode == 1
    assert "Described" in done.stderr


@pytest.mark.parametrize(
    ("name", "most"), [("certlc-run.service", 2.6), ("postdeploy-failed@certlc-run.service.service", 1.9)]
)
def test_what_needs_no_rights_has_none(tmp_path: Path, name: str, most: float) -> None:
    """The exposure by `systemd-analyze security`, 10 is open. A program that installs packages is not measured."""
    optional_tools.require("systemd-analyze", "it measures the exposure of a unit")
    done = analyze("security", "--offline=true", "--no-pager", f"--root={root_with_units(tmp_path)}", name)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found.group(1)) <= most


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_capabilities_of_the_unit_are_enough(machine: Machine) -> None:
    optional_tools.require("setpriv", "it takes capabilities from a program")
    kept = unit("certlc-run.service")["Service"]["CapabilityBoundingSet"].split()
    kept = [f"+{name.removeprefix('CAP_').lower()}" for name in kept]
    limited = ("setpriv", f"--bounding-set=-all,{','.join(kept)}", "--inh-caps=-all", "--no-new-privs")
    machine.configure(machine.certificate("limited-tls", owner="nobody"))
    for state in ("installed", "unchanged", "rotated"):
        if state != "unchanged":
            machine.put("limited-tls", pki.made().pem)
        done = machine.run_under(limited)
        assert (done.code, len(done.named(state))) == (0, 1), done.output + done.errors


def test_a_failed_run_is_an_alert_with_its_reasons(machine: Machine) -> None:
    machine.configure(machine.certificate("none-of-that-name"))
    machine.run()
    monitored = {"MONITOR_SERVICE_RESULT": "exit-code", "MONITOR_EXIT_STATUS": "13", "JOURNAL_STREAM": "1:2"}
    ran = machine.run("unit-failed", "certlc-run.service", environment=monitored)
    assert (ran.code, ran.output[:3]) == (0, "<3>")
    assert ran.output.removeprefix("<3>").split() == [
        "event=alert",
        "program=certlc",
        "unit=certlc-run.service",
        "result=exit-code",
        "exit=13",
        "reasons=no-such-secret",
        "failures_in_a_row=1",
    ]


def test_a_run_that_was_killed_has_failed_in_its_report_too(machine: Machine) -> None:
    machine.put("killed-run", pki.made().pem)
    machine.configure(machine.certificate("killed-run"))
    killed_at = Path(__file__).with_name("killed_at.py")
    machine.run(before=(str(killed_at), "25"))
    assert machine.status()["result"] == "running"
    machine.run("unit-failed", "certlc-run.service", environment={"MONITOR_SERVICE_RESULT": "timeout"})
    status = machine.status()
    assert (status["result"], status["reasons"], status["failuresInARow"]) == ("failed", ["timeout"], 1)
    assert machine.run().named("run-started")[0]["rerun"] == "yes"
