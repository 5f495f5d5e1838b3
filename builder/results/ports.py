"""Asks the probe for the ports of the booted machine, and judges what it found. Pure.

The file is of the builder's own container, and no guest can write it. It is still parsed as hostile, and held against
the job: a port that was not tried has not passed.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from builder.results import probe
from pipeline_core.domain.errors import ErrorClass, Owner, PermanentError
from pipeline_core.wire.job import BuildJob
from pipeline_core.wire.report import ReportedCheck

LIMIT = 64 * 1024  # bytes
NAME = "ports"
ASKED = "ports-asked.json"  # in the folder of the run, where Packer works
FOUND = "ports-found.json"
# Ports that nothing may answer, unless the definition names them: a firewall that lets everything in is found by them.
NEVER = (
    9090,  # cockpit, which Red Hat's zone `public` lets in
    111,  # rpcbind
    65533,  # nobody's
)
# In a bundle of platform steps that close what the definition does not serve. Older steps left Red Hat's zone as it is,
# with cockpit, so no image of theirs could pass.
SHUTS = "platform/verify/ports.py"
_NAMED = 5  # ports in a detail
_NOTHING = {
    "boot": "nothing listens at it: start the service when the machine boots and let it listen on all addresses, or "
    "write `when: deployed` in spec.serves",
    "never": "the firewall lets it in, and spec.serves does not name it: add it there, or close it",
}
_CLOSED = dict.fromkeys(
    ("boot", "deployed"),
    "it is closed: leave firewalld as the platform sets it; if this holds for all images, SecOps let the builders in "
    "by the security group of the machines",
)
_LEFT = (
    "it is closed, and the platform steps of this build are older than spec.serves and open nothing: SecOps register "
    "newer ones, or a step of the image opens it"
)
_OPEN = {"never": "it answers, and spec.serves does not name it: add it there, or stop what listens"}
_WORDS: Mapping[str, Mapping[str, str]] = {
    probe.REFUSED: _NOTHING,
    probe.CLOSED: _CLOSED,
    probe.OPEN: _OPEN,
}


def question(job: BuildJob, platform: Collection[str]) -> dict[str, Any]:
    """What the probe is asked, for `ASKED`: the ports of the definition, and some that it does not name.

    `platform` are the names in the bundle of platform steps. Where these steps leave the firewall as it was, only the
    ports of the definition are asked for.
    """
    return probe.asked(_wanted(job, platform))


def check(
    job: BuildJob, platform: Collection[str], content: bytes | None, *, simulated: bool
) -> ReportedCheck | None:
    """The check `ports`. Its detail has one sentence for each port that is not as the definition says.

    None where nothing was asked, because the factory judges each check that is reported. Raises PermanentError
    (template, the platform's) where the probe left no usable file.
    """
    asked = question(job, platform)["ports"]
    if not asked:
        return None
    found = _read(job, content)
    bad, good = [], 0
    for each in asked:
        number, protocol, when = each["port"], each["protocol"], each["when"]
        seen = found.get((number, protocol))
        if seen is None:
            raise _unusable(job, f"{number}/{protocol} was not tried")
        if probe.is_good(when, protocol, seen):
            good += 1
        else:
            bad.append(f"{number}/{protocol} of {job.image}: {_why(when, seen, platform)}")
    served = ", ".join(f"{each} ({each.when})" for each in job.serves) or "no port but SSH"
    text = f"{good} of {good + len(bad)} ports are as they should be; served: {served}"
    if bad:
        text = "; ".join(bad[:_NAMED]) + (f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else "")
    return ReportedCheck(name=NAME, passed=not bad, detail=text, simulated=simulated)


def _why(when: str, seen: str, platform: Collection[str]) -> str:
    if seen == probe.CLOSED and SHUTS not in platform:
        return _LEFT
    return _WORDS.get(seen, {}).get(when, f"it was {seen}")


def _wanted(job: BuildJob, platform: Collection[str]) -> Iterator[tuple[int, str, str]]:
    for each in job.serves:
        yield each.port, each.protocol, each.when
    if SHUTS not in platform:
        return
    served = {each.port for each in job.serves if each.protocol == "tcp"}
    for number in NEVER:
        if number not in served:
            yield number, "tcp", "never"


def _read(job: BuildJob, content: bytes | None) -> Mapping[tuple[int, str], str]:
    if content is None:
        raise _unusable(job, f"{FOUND} is missing or too large")
    try:
        rows = json.loads(content)["ports"]
        return {(int(row["port"]), str(row["protocol"])): str(row["found"]) for row in rows}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unusable(job, f"{FOUND} is not what the probe writes") from error


def _unusable(job: BuildJob, why: str) -> PermanentError:
    text = f"the ports of {job.image} cannot be judged: {why}; read the log of the step `ports`"
    return PermanentError(ErrorClass.TEMPLATE, text, owner=Owner.PLATFORM)
