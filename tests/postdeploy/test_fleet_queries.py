"""The queries of `infra/fleet` find what the programs say. There is no Log Analytics here: this reads their filters
and their `extract`s, and nothing of what they count.
"""

import re
from collections.abc import Callable

import pytest

from tests.postdeploy import pki
from tests.postdeploy.machine import Machine
from tests.unit.images.places import IMAGES

QUERIES = IMAGES.parent / "infra" / "fleet" / "queries"
pytestmark = pytest.mark.slow  # five runs of a program with some openssl


def rows(query: str, said: str) -> list[dict[str, str]]:
    """The lines that a query takes, with what it extracts of each. A value that is not there is an empty text."""
    text = (QUERIES / f"{query}.kql").read_text(encoding="utf-8")
    wanted = re.findall(r'"(event=[a-z-]+)"', text)
    extracts = re.findall(r'(\w+) = \w*\(?extract\(@"([^"]+)", 1, SyslogMessage\)', text)
    assert wanted, query
    found = []
    for line in said.splitlines():
        if any(re.search(rf"(?<!\w){each}(?!\w)", line) for each in wanted):
            values = {name: re.search(pattern, line) for name, pattern in extracts}
            found.append({name: value[1] if value else "" for name, value in values.items()})
    return found


@pytest.fixture
def said(machine: Machine, unique_name: Callable[[str], str]) -> str:
    """What one machine said in its life: a first run, a rotation that fails, and a secret that is gone."""
    name = unique_name("tls")
    machine.configure(machine.certificate(name))
    runs = [machine.run()]
    machine.put(name, pki.made(days=9).pem)
    runs.append(machine.run())
    machine.put(name, pki.made(days=80).pem)
    machine.refuse("any")
    runs.append(machine.run())
    monitored = {"MONITOR_SERVICE_RESULT": "exit-code", "MONITOR_EXIT_STATUS": "15"}
    runs.append(machine.run("unit-failed", "certlc-run.service", environment=monitored))
    machine.accept()
    runs.append(machine.run())
    return "".join(run.output for run in runs)


def test_every_query_finds_its_events_and_every_value_of_them(said: str) -> None:
    found = {path.stem: rows(path.stem, said) for path in sorted(QUERIES.glob("*.kql"))}
    assert [name for name, each in found.items() if not each] == [], said
    assert [(name, row) for name, each in found.items() for row in each if "" in row.values()] == [], said


def test_the_figures_are_those_of_the_machines_life(said: str) -> None:
    assert [row["reason"] for row in rows("failures", said)] == ["no-such-secret", "service-down"]
    assert [row["rerun"] for row in rows("reruns", said)] == ["no", "yes", "no", "yes"]
    assert len(rows("provisioning", said)) == 1
    assert [row["event"] for row in rows("rotations", said)] == ["installed", "rolled-back", "rotated"]
    assert {row["days_left"] for row in rows("expiring", said)} <= {"8", "9"}
    assert [row["unit"] for row in rows("alerts", said)] == ["certlc-run.service"]
