"""`python -m benchmarks.main_job`: where the time of the main job goes. It is `make run` with the recorded Packer.

Three tables: the parts of the job, the parts of the builds that it waited for (the slowest chain of the first builds,
the slowest chain of the release, and the rebuild: seven builds one after another), and the CPU time by kind of process.
The times of a build are those that the factory and the builders wrote themselves. The last line is JSON. `busy` is the
CPU time of the whole machine: if it is far above ours, others have used the machine too.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.process_times import KindTimes, ProcessTimes
from local.run import report, stack, storage
from local.run.news import LOOK_EVERY, HostNews
from local.run.story import Story
from pipeline_core.domain import attempts
from pipeline_core.wire.report import BuildReport

KINDS: Final = {
    "local.host": "Functions host",
    "azurite": "Azurite",
    "zygote.py": "builders (forked) and their server",
    "-m builder": "builders",
    "local.recorded": "recorded Packer",
    "recorded-packer": "recorded Packer",
    "die_with_parent": "recorded Packer",
    "local.arm": "ARM emulator",
}
_STEPS: Final = ("to the container", "build", "between", "verify", "to the end")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildTimes:
    """The times of one build: asked for, begin and end of both containers' work, end."""

    build: str
    parent: str
    asked: datetime
    build_began: datetime
    build_ended: datetime
    verify_began: datetime
    verify_ended: datetime
    ended: datetime

    def parts(self) -> dict[str, float]:
        """Seconds of each part, in their order."""
        times = (
            self.asked,
            self.build_began,
            self.build_ended,
            self.verify_began,
            self.verify_ended,
            self.ended,
        )
        pairs = zip(_STEPS, times, times[1:], strict=False)
        return {name: (after - before).total_seconds() for name, before, after in pairs}


def slowest_chain(builds: Sequence[BuildTimes]) -> list[BuildTimes]:
    """The build that ended last, after the build of its parent, and so on. Pure."""
    by_name = {each.build.split(".")[0]: each for each in builds}
    chain: list[BuildTimes] = []
    last: BuildTimes | None = max(builds, key=lambda each: each.ended, default=None)
    while last is not None:
        chain.insert(0, last)
        last = by_name.get(last.parent)
    return chain


def chain_parts(chain: Sequence[BuildTimes], began: datetime) -> dict[str, float]:
    """Seconds of each part, added up over the chain, with the time before each build. Pure."""
    sums = dict.fromkeys(("before the build", *_STEPS), 0.0)
    for each in chain:
        sums["before the build"] += (each.asked - began).total_seconds()
        for name, seconds in each.parts().items():
            sums[name] += seconds
        began = each.ended
    return {name: round(seconds, 2) for name, seconds in sums.items()}


def main() -> int:
    """Run the job and print. The exit status is 0 if the run kept its promises."""
    argparse.ArgumentParser(prog="python -m benchmarks.main_job", description=__doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="imagefactory-") as folder, ProcessTimes() as times:
        outcome, parts, chain = _run(Path(folder))
    kinds = times.by_kind(KINDS)
    facts = {
        "result": outcome.facts["result"],
        "seconds": outcome.facts["seconds"],
        "parts": {name: round(seconds, 1) for name, seconds in parts.items()},
        "chain": chain,
        "cpu": {kind: asdict(each) for kind, each in kinds.items()},
        "busy": round(times.busy, 1),
        "arm_requests": outcome.facts["arm_requests"],
        "storage_operations": outcome.facts["storage_operations"],
    }
    _print(facts, kinds)
    print(json.dumps(facts))
    return 1 if outcome.problems else 0


def _run(folder: Path) -> tuple[report.RunOutcome, dict[str, float], dict[str, float]]:
    """The run's outcome, the seconds of its parts, and the seconds of the parts of the builds that it waited for."""
    began = time.monotonic()
    parts: dict[str, float] = {}
    file = folder / "scenario.json"
    file.write_text("{}", encoding="utf-8")
    with stack.running(folder, scenario=file) as running:
        parts["start"] = time.monotonic() - began
        news = HostNews(log=running.host.log)
        story = Story(
            stack=running, watch=lambda _: None, scenario=file, look_every=LOOK_EVERY, pause=news.wait
        )
        waits = {
            "registration": story.register,
            "first builds": story.wait_for_first_builds,
            "release": story.publish_release,
            "rebuild": story.rebuild_leaf,
        }
        moments = {}
        for name, wait in waits.items():
            moments[name], part = datetime.now(UTC), time.monotonic()
            wait()
            parts[name] = time.monotonic() - part
        part = time.monotonic()
        left = story.wait_until_quiet()
        parts["quiet"] = time.monotonic() - part
        seconds = time.monotonic() - began
        outcome = report.conclude(story, left=left, seconds=seconds, packer="recorded")
        builds = _builds(running, story)
        waited = [
            chain_parts(slowest_chain([each for each in builds if since <= each.asked < until]), since)
            for since, until in (
                (moments["registration"], moments["release"]),
                (moments["release"], moments["rebuild"]),
                (moments["rebuild"], datetime.now(UTC)),
            )
        ]
    return outcome, parts, {name: round(sum(each[name] for each in waited), 2) for name in waited[0]}


def _builds(running: stack.Stack, story: Story) -> list[BuildTimes]:
    """Every build, from the API and from the reports of its containers."""
    with storage.open_blobs(running.azurite, running.arm) as blobs:
        container = blobs.get_container_client("builds")
        made = []
        for name, view in story.details.items():
            for build in view["builds"]:
                reports = {}
                for stage in ("build", "verify"):
                    place = f"{attempts.folder(build['id'], stage, 1)}/{attempts.REPORT}"
                    reports[stage] = BuildReport.from_wire(container.download_blob(place).readall())
                made.append(_times_of(build, reports, story.details[name]["parent"] or ""))
    return made


def _times_of(build: Mapping[str, Any], reports: Mapping[str, BuildReport], parent: str) -> BuildTimes:
    return BuildTimes(
        build=build["id"],
        parent=parent,
        asked=datetime.fromisoformat(build["created_at"]),
        build_began=reports["build"].started_at,
        build_ended=reports["build"].ended_at,
        verify_began=reports["verify"].started_at,
        verify_ended=reports["verify"].ended_at,
        ended=datetime.fromisoformat(build["phase_since"]),
    )


def _print(facts: Mapping[str, Any], kinds: Mapping[str, KindTimes]) -> None:
    print(f"{facts['seconds']:.1f} s; this machine was busy for {facts['busy']:.1f} s of CPU time in it")
    for title, values in (
        ("part of the job", facts["parts"]),
        ("part of the builds waited for", facts["chain"]),
    ):
        print(f"\n{title:32} {'seconds':>8}")
        for name, seconds in values.items():
            print(f"{name:32} {seconds:8.1f}")
    print(f"\n{'kind of process':32} {'CPU s':>8} {'processes':>10}")
    for name, each in kinds.items():
        print(f"{name:32} {each.seconds:8.2f} {each.processes:10}")
    print(f"{'all':32} {sum(each.seconds for each in kinds.values()):8.2f}\n")


if __name__ == "__main__":
    sys.exit(main())
