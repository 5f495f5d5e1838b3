"""The ports of an emulated machine, tried by the builder's own probe."""

import json
import os
from pathlib import Path

import pytest

from builder.packer import ports
from builder.results import ports as judged
from builder.results import probe
from local.guest import port, served
from pipeline_core.wire.job import JobPort
from tests.unit.builder import samples

API, LATER = JobPort(port=8443), JobPort(port=8200, when="deployed")
SYSLOG = JobPort(port=514, protocol="udp")
CASES: dict[str, tuple[tuple[JobPort, ...], str, str]] = {
    "as declared": ((API, LATER, SYSLOG), "ok", ""),
    "nothing declared": ((), "ok", ""),
    "not served": ((API,), "fail-ports", "8443/tcp of payments-api: nothing listens at it"),
    "closed": ((LATER, API), "fail-ports", "8200/tcp of payments-api: it is closed"),
    "nothing declared, one answers": ((), "fail-ports", "9090/tcp of payments-api: it answers"),
    "undeclared": ((API,), "fail-undeclared", "9090/tcp of payments-api: it answers"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_probe_finds_what_the_scenario_says(case: str) -> None:
    serves, scenario, words = CASES[case]
    job = samples.verify_job(serves=serves)
    answer = served.answer(judged.question(job, samples.PLATFORM), scenario, is_set=True)
    check = judged.check(job, samples.PLATFORM, json.dumps(answer).encode(), simulated=True)
    assert check is not None
    assert check.passed is not bool(words)
    assert check.detail.startswith(words)


def test_a_machine_whose_platform_steps_set_no_firewall_has_red_hats(tmp_path: Path) -> None:
    """A builder that asked its usual ports would refuse each such image."""
    archive = tmp_path / "platform.tar.gz"
    archive.write_bytes(samples.PLATFORM_CONTENT)
    assert served.sets_firewall(archive)
    archive.write_bytes(samples.OLDER_PLATFORM_CONTENT)
    job = samples.verify_job(serves=(API,))
    asked = judged.question(job, samples.PLATFORM)
    answer = served.answer(asked, "ok", is_set=served.sets_firewall(archive))
    found = {each["port"]: each["found"] for each in answer["ports"]}
    assert found == {8443: probe.CLOSED, 9090: probe.REFUSED, 111: probe.CLOSED, 65533: probe.CLOSED}
    without = judged.question(samples.verify_job(), samples.OLDER_PLATFORM)
    assert served.answer(without, "ok", is_set=False) == {"ports": []}


def test_no_listener_is_left_behind() -> None:
    with served.machine({(8443, "tcp"): probe.OPEN}) as connect:
        assert connect("any", 8443, "tcp") == probe.OPEN
    assert connect("any", 8443, "tcp") == probe.REFUSED


def test_a_real_packer_gets_the_emulated_probe_and_keeps_the_title(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({"payments-api": {"verify": "fail-ports"}}), encoding="utf-8")
    monkeypatch.setitem(os.environ, "IF_RECORDED_SCENARIO", str(scenario))
    (tmp_path / "steps").mkdir()
    script = ports.script("step 1 of 2: platform: ports", ("python3", "probe.py"))
    (tmp_path / "steps" / "01-ports.sh").write_text(script, encoding="utf-8")
    template = {
        "source": {"azure-arm": {"image": {"azure_tags": samples.tags("payments-api.1", "verify")}}},
        "build": [{"provisioner": [{"shell": {"script": "x"}}, ports.block("steps/01-ports.sh")]}],
    }
    copied = port.with_ports(template, tmp_path)
    untouched, local = copied["build"][0]["provisioner"]
    assert untouched == {"shell": {"script": "x"}}
    assert local["shell-local"]["environment_vars"] == ["IMAGEFACTORY_HOST=${build.Host}"]
    written = (tmp_path / local["shell-local"]["script"]).read_text(encoding="utf-8")
    assert written.splitlines()[:3] == script.splitlines()[:3]
    assert 'local.guest.served fail-ports ports-asked.json ports-found.json "$IMAGEFACTORY_HOST"' in written
