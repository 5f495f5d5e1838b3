"""What the probe found becomes the check `ports`: one sentence for each port that is not as the definition says."""

import json
from typing import Any

import pytest

from builder.results import ports, probe
from pipeline_core.domain.errors import ErrorClass, Owner, PermanentError
from pipeline_core.wire.job import BuildJob, JobPort
from pipeline_core.wire.report import ReportedCheck
from tests.unit.builder import samples

API = JobPort(port=8443)
LATER = JobPort(port=8200, when="deployed")


def found(job: BuildJob, **changed: str) -> bytes:
    """What the probe writes: all as it should be, but for `changed` (`p8443="refused"`)."""
    usual = {"boot": probe.OPEN, "deployed": probe.REFUSED, "never": probe.CLOSED}
    rows: Any = ports.question(job, samples.PLATFORM)["ports"]
    told = [{**row, "found": changed.get(f"p{row['port']}", usual[row["when"]])} for row in rows]
    return json.dumps({"ports": told}).encode()


def job(*serves: JobPort) -> BuildJob:
    return samples.verify_job(serves=serves)


def judged(given: BuildJob, content: bytes | None, *, simulated: bool = False) -> ReportedCheck:
    """The check of an image whose firewall the platform sets."""
    check = ports.check(given, samples.PLATFORM, content, simulated=simulated)
    assert check is not None
    return check


CASES: dict[str, tuple[BuildJob, dict[str, str], str]] = {
    "all as declared": (job(API, LATER), {}, ""),
    "served earlier than declared": (job(LATER), {"p8200": "open"}, ""),
    "nothing is declared": (job(), {}, ""),
    "nothing listens": (job(API), {"p8443": "refused"}, "8443/tcp of payments-api: nothing listens at it: start"),
    "the firewall is closed": (job(API), {"p8443": "closed"}, "8443/tcp of payments-api: it is closed: leave"),
    "closed for a deployment": (job(LATER), {"p8200": "closed"}, "8200/tcp of payments-api: it is closed: leave"),
    "cockpit answers": (job(), {"p9090": "open"}, "9090/tcp of payments-api: it answers, and spec.serves does not"),
    "an open firewall": (job(), {"p65533": "refused"}, "65533/tcp of payments-api: the firewall lets it in"),
    "a word of another release": (job(API), {"p8443": "maybe"}, "8443/tcp of payments-api: it was maybe"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_port_is_judged_in_one_line(case: str) -> None:
    given, changed, words = CASES[case]
    check = judged(given, found(given, **changed))
    assert (check.name, check.passed) == ("ports", not words)
    assert check.detail.startswith(words or "3 of 3" if not given.serves else words)
    assert "\n" not in check.detail


def test_the_detail_of_a_good_machine_names_what_it_serves() -> None:
    check = judged(job(API, LATER), found(job(API, LATER)), simulated=True)
    assert check.detail == (
        "5 of 5 ports are as they should be; served: 8443/tcp (boot), 8200/tcp (deployed)"
    )
    assert check.simulated


def test_many_bad_ports_are_counted() -> None:
    many = job(*(JobPort(port=1000 + each) for each in range(7)))
    changed = {f"p{1000 + each}": "refused" for each in range(7)}
    detail = judged(many, found(many, **changed)).detail
    assert detail.count("of payments-api") == 5
    assert detail.endswith("; and 2 more")


UNUSABLE = {
    "missing": None,
    "not JSON": b"{",
    "a list": b"[]",
    "without a result": b'{"ports": [{"port": 8443, "protocol": "tcp"}]}',
    "of another job": b'{"ports": []}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_port_that_was_not_tried_never_passes(case: str) -> None:
    with pytest.raises(PermanentError) as caught:
        judged(job(API), UNUSABLE[case])
    assert (caught.value.error_class, caught.value.owner) == (ErrorClass.TEMPLATE, Owner.PLATFORM)
    assert "payments-api" in str(caught.value)


def test_older_platform_steps_leave_cockpit_open_and_are_not_judged_by_it() -> None:
    older = samples.OLDER_PLATFORM
    assert ports.question(job(), older)["ports"] == []
    assert ports.check(job(), older, None, simulated=False) is None
    asked = ports.question(job(API), older)["ports"]
    assert [(each["port"], each["when"]) for each in asked] == [(8443, "boot")]


def test_a_port_that_is_served_is_tried_with_older_platform_steps_too() -> None:
    given, older = job(API), samples.OLDER_PLATFORM
    for seen, words in (
        ("open", "1 of 1 ports are as they should be"),
        ("refused", "8443/tcp of payments-api: nothing listens at it"),
        ("closed", "8443/tcp of payments-api: it is closed, and the platform steps of this build are older"),
    ):
        told = {"ports": [{"port": 8443, "protocol": "tcp", "when": "boot", "found": seen}]}
        check = ports.check(given, older, json.dumps(told).encode(), simulated=False)
        assert check is not None
        assert (check.passed, check.detail.startswith(words)) == (seen == "open", True)
