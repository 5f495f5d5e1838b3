"""The main job as a user runs it: the whole stack in processes of its own, from the README's command."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.run.story import IMAGES
from tests import arm_schemas

CHECKOUT = Path(__file__).resolve().parents[2]
PARENTS = {
    "rhel9-java": "rhel9-base",
    "rhel9-node": "rhel9-base",
    "rhel9-python": "rhel9-base",
    "rhel9-vault": "rhel9-base",
    "payments-api": "rhel9-java",
    "ml-worker": "rhel9-python",
}

# Types that Packer alone writes; there is no schema of them beside the project.
OF_PACKER = {
    "Microsoft.Compute/images",
    "Microsoft.Compute/virtualMachines",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Resources/deployments",
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def _environment(folder: Path) -> dict[str, str]:
    """A run with a folder of its own and the recorded Packer, which must be quick, on a machine with a proxy.

    Nothing listens where the proxy is said to be: whatever asks it fails.
    """
    kept = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"), "http://127.0.0.1:9")
    return {**kept, **proxies, "TMPDIR": str(folder), "PACKER": "recorded"}


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local.run", *words],
        cwd=CHECKOUT,
        env=_environment(folder),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def _left_over(folder: Path) -> list[str]:
    """Command lines of processes that still mention a run's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found


def _left_over_at_last(folder: Path) -> list[str]:
    """The same, after a while: nobody waits for the builders of an emulator that was killed. They get a signal."""
    until = time.monotonic() + 30
    while (found := _left_over(folder)) and time.monotonic() < until:
        time.sleep(0.1)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class MainJob:
    """The one whole run that several tests look at, its folder, and the file of what was sent to ARM."""

    done: subprocess.CompletedProcess[str]
    folder: Path
    bodies: Path


@pytest.fixture(scope="module")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> MainJob:
    folder, bodies = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("sent") / "bodies.jsonl"
    return MainJob(done=_run(folder, "--record-bodies", str(bodies)), folder=folder, bodies=bodies)


def test_the_run_ends_with_seven_current_images_and_nothing_left(main_job: MainJob) -> None:
    done, tmp_path = main_job.done, main_job.folder
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    facts = json.loads(done.stdout.splitlines()[-1])
    assert (facts["result"], facts["builds"], facts["duplicate_builds"]) == ("ok", 15, 0)
    assert (facts["packer"], facts["scenario"], facts["held_back"]) == ("recorded", "release", [])
    images = {image["name"]: image for image in facts["images"]}
    assert set(images) == set(IMAGES)
    assert images["rhel9-base"]["parent_version"].endswith(facts["release"])
    for child, parent in PARENTS.items():
        assert images[child]["parent_version"] == f"{parent}@{images[parent]['version']}"
    assert any(reason.startswith("rebuild-requested") for reason in images["payments-api"]["reasons"])
    for image in images.values():
        gates = {gate["gate"]: gate for gate in image["gates"]}
        assert {"boot", "hygiene", "goss", "smoke", "compliance"} <= set(gates)
        assert all(gate["passed"] and gate["simulated"] for gate in gates.values())
        assert gates["compliance"]["score"] >= 90
    assert list(tmp_path.iterdir()) == []
    assert _left_over(tmp_path) == []


def _sent(main_job: MainJob) -> list[dict[str, Any]]:
    assert main_job.done.returncode == 0
    return [json.loads(line) for line in main_job.bodies.read_text("utf-8").splitlines()]


def test_every_body_of_the_run_has_a_type_that_is_known(main_job: MainJob) -> None:
    """So that the check against the official schemas misses nothing, and finds the change of a mark in the run."""
    sent = Counter((line["method"], arm_schemas.type_of(line["path"])) for line in _sent(main_job))
    builders = {(method, kind) for method, kind in sent if kind in OF_PACKER}
    assert set(sent) - builders == {
        ("PUT", "Microsoft.Compute/galleries/images"),
        ("PUT", "Microsoft.Compute/galleries/images/versions"),
        ("PATCH", "Microsoft.Compute/galleries/images/versions"),
        ("PUT", "Microsoft.ContainerInstance/containerGroups"),
    }
    assert (
        sent["PATCH", "Microsoft.Compute/galleries/images/versions"] >= 15
    )  # one for each published version


def test_every_body_of_the_run_fits_the_official_schemas(main_job: MainJob) -> None:
    arm_schemas.folder()
    wrong, checked = [], 0
    for line in _sent(main_job):
        kind, name = arm_schemas.type_of(line["path"]), line["path"].rsplit("/", 1)[-1]
        if kind in OF_PACKER:
            continue
        checked += 1
        found = arm_schemas.errors(kind, name, line["body"])
        wrong += [f"{line['method']} {line['path']}: {each}" for each in found]
    assert wrong == []
    assert checked >= 15 * 4  # two groups, two versions


def test_a_child_that_fails_compliance_is_held_back_with_what_is_below_it(tmp_path: Path) -> None:
    done = _run(tmp_path, "--scenario", "bad-child")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    facts = json.loads(done.stdout.splitlines()[-1])
    assert (facts["result"], facts["scenario"], facts["duplicate_builds"]) == ("ok", "bad-child", 0)
    images = {image["name"]: image for image in facts["images"]}
    reasons = {held["image"]: held["reason"] for held in facts["held_back"]}
    assert set(reasons) == {"rhel9-java", "payments-api"}
    assert "failed: compliance: " in reasons["rhel9-java"]
    stays = f"its parent rhel9-java stays on {images['rhel9-java']['version']}: "
    assert reasons["payments-api"].startswith(stays + reasons["rhel9-java"][:100])
    refused = {gate["gate"]: gate for gate in images["rhel9-java"]["gates"] if not gate["passed"]}
    assert "compliance" in refused
    assert set(refused) <= {"compliance", "ratchet"}  # it cannot fail the one without the other
    assert refused["compliance"]["score"] < 90
    assert all(gate["simulated"] for image in images.values() for gate in image["gates"])
    for name in ("rhel9-base", "rhel9-node", "rhel9-python", "rhel9-vault", "ml-worker"):
        assert images[name]["version"].endswith(".2")
    for name in reasons:
        assert images[name]["version"].endswith(".1")
    assert list(tmp_path.iterdir()) == []


def test_a_child_whose_port_is_closed_is_refused_in_one_line(tmp_path: Path) -> None:
    """The builder tries the port of the booted machine; the line says which port of which image, and what to do."""
    done = _run(tmp_path, "--scenario", "closed-port")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    facts = json.loads(done.stdout.splitlines()[-1])
    images = {image["name"]: image for image in facts["images"]}
    refused = [gate for gate in images["payments-api"]["gates"] if not gate["passed"]]
    assert [gate["gate"] for gate in refused] == ["ports"]
    assert refused[0]["evidence"].startswith("8443/tcp of payments-api: it is closed: leave firewalld as")
    assert images["payments-api"]["version"].endswith(".1")
    assert images["rhel9-vault"]["version"].endswith(".2")
    served = {gate["gate"]: gate["evidence"] for gate in images["rhel9-vault"]["gates"]}
    assert served["ports"].endswith("served: 8200/tcp (deployed), 8201/tcp (deployed)")
    assert all(gate["simulated"] for image in images.values() for gate in image["gates"])


def test_an_unknown_scenario_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    done = _run(tmp_path, "--scenario", "nope")
    assert (done.returncode, done.stdout) == (2, "")
    assert all(word in done.stderr for word in ("nope", "release", "bad-child"))
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_dies_is_named_within_seconds_and_the_logs_stay(tmp_path: Path) -> None:
    """The kernel's killer, or a person, ends the ARM emulator in the middle of the first builds."""
    with subprocess.Popen(
        [sys.executable, "-m", "local.run"],
        cwd=CHECKOUT,
        env=_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if "first builds" in line:
                break
        (folder,) = tmp_path.iterdir()
        os.kill(json.loads((folder / "arm" / "arm.json").read_text("utf-8"))["pid"], signal.SIGKILL)
        killed = time.monotonic()
        rest = child.stdout.read()
        assert child.wait(timeout=40) == 1, rest
    assert time.monotonic() - killed < 20  # of which the other programs take most to stop
    assert "The run failed: the ARM emulator was killed by signal 9" in rest
    assert f"Logs of this run are kept in {folder}" in rest
    assert (folder / "arm" / "arm.log").exists()
    assert [*folder.rglob("*-key.pem")] == []
    assert _left_over_at_last(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_run_leaves_no_process_and_no_folder(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "local.run"],
        cwd=CHECKOUT,
        env=_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if "first builds" in line:
                break
        child.send_signal(number)
        rest = child.stdout.read()
        assert child.wait(timeout=40) == 130, rest
    assert "Traceback" not in rest
    deadline = time.monotonic() + 5
    while _left_over(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _left_over(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
