"""The end of a run: a table for a person and one JSON object for a program, as its last line."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from imagefactory import screen
from local.run import expectations
from local.run.scenarios import RELEASE, Scenario
from local.run.story import IMAGES, Story


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """The outcome of a run, and its JSON object. `problems` is empty if the run kept all promises."""

    problems: tuple[str, ...]
    facts: dict[str, Any]


def conclude(
    story: Story,
    *,
    left: Sequence[str],
    seconds: float,
    packer: str | dict[str, str],
    scenario: Scenario = RELEASE,
) -> RunOutcome:
    """Compare the API's answers with the scenario's promises."""
    builds = story.builds()
    doubles = duplicates(builds)
    problems = [
        *expectations.broken(scenario, story.first, story.details),
        *expectations.leaked(scenario, story.first, story.live_versions()),
        *(f"left behind: {each}" for each in left),
    ]
    refused = story.stack.arm.ask("GET", "storage-refusals")
    problems += [f"no role of the builder covers this request to storage: {each}" for each in refused]
    if doubles:
        problems.append(f"{doubles} inputs were built twice")
    requests = story.stack.arm.ask("GET", "requests")
    facts = {
        "result": "failed" if problems else "ok",
        "scenario": scenario.name,
        "release": story.release,
        "images": [_image(name, story.details[name]) for name in IMAGES],
        "held_back": [
            {"image": name, "reason": story.details[name]["detail"]}
            for name in IMAGES
            if name in scenario.stays
        ],
        "builds": len(builds),
        "duplicate_builds": doubles,
        "seconds": round(seconds, 1),
        "cascade_seconds": round(story.cascade_seconds, 1),
        "packer": packer,
        "arm_requests": requests["total"],
        "storage_operations": sum(story.stack.azurite.count_requests().values()),
    }
    if problems:
        facts["problems"] = problems
    return RunOutcome(problems=tuple(problems), facts=facts)


def duplicates(builds: Sequence[Mapping[str, Any]]) -> int:
    """The number of inputs (image and fingerprint) that were built more than once."""
    counts = Counter((build["image"], build["fingerprint"]) for build in builds)
    return sum(1 for count in counts.values() if count > 1)


def print_table(console: Console, story: Story, outcome: RunOutcome) -> None:
    """A table of image, old and new version, parent version, reasons, gates, seconds."""
    table = Table(
        title=f"RHEL {story.release}: every image, and the reason of its last build", title_justify="left"
    )
    for heading in ("image", "old version", "version", "built from", "reasons", "gates (* simulated)"):
        table.add_column(heading, overflow="fold")
    table.add_column("seconds", justify="right")
    for facts in outcome.facts["images"]:
        name = facts["name"]
        took = story.changed.get(name)
        table.add_row(
            name,
            story.first.get(name, {}).get("version", ""),
            facts["version"],
            facts["parent_version"],
            "\n".join(facts["reasons"]),
            screen.marks(facts["gates"]),
            "" if took is None else f"{took:.1f}",
        )
    console.print(table)
    for held in outcome.facts["held_back"]:
        console.print(f"[bold yellow]held back[/] {held['image']}: ", end="")
        console.print(held["reason"], markup=False, highlight=False)
    for problem in outcome.problems:
        console.print("[bold red]problem[/] ", end="")
        console.print(problem, markup=False, highlight=False)


def _image(name: str, view: Mapping[str, Any]) -> dict[str, Any]:
    """An image with its newest ended build, and the verdict of each gate on that build."""
    ended: Mapping[str, Any] = next((build for build in view["builds"] if build["result"]), {})
    return {
        "name": name,
        "version": view["version"],
        "parent_version": view["origin_version"],
        "fingerprint": view["fingerprint"],
        "reasons": list(ended.get("reasons", ())),
        "build": ended.get("id"),
        "build_result": ended.get("result"),
        "gates": list(ended.get("gates", ())),
    }
