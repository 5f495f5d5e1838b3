"""`python -m local.campaign --kills 20`: run the main job many times, and kill its host once in each run.

The moment of a kill is random. A round takes a minute, because it has a whole stack with its own storage. The exit
status is 0 only if every round converged: each image current, each input built once, nothing left behind.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from imagefactory.failures import CommandFailure
from local import kills
from local.run import report, stack
from local.run.story import Story, StoryError

_EARLIEST = 0.3  # seconds


def main() -> int:
    """Run the rounds. The last line of standard output is one JSON object."""
    options = _parser().parse_args()
    print("one round without a kill, to measure the time of the main job on this machine", flush=True)
    first, span = _round(())
    if first["problems"]:
        print(json.dumps({"kills": 0, "converged": 0, "rounds": [first]}), flush=True)
        return 1
    print(f"{span:.1f} s; kills are drawn from the whole of it, seed {options.seed}", flush=True)
    rounds = []
    for number, moment in enumerate(kills.draw(options.seed, options.kills, least=_EARLIEST, most=span)):
        facts, _ = _round((moment,))
        rounds.append(facts)
        ended = "; ".join(facts["problems"]) or "converged"
        print(f"{number + 1:3} killed at {moment:5.1f} s ({facts['during']}): {ended}", flush=True)
    converged = sum(not facts["problems"] for facts in rounds)
    struck = sum(facts["killed_at"] is not None for facts in rounds)
    last = {"seed": options.seed, "kills": struck, "span_seconds": round(span, 1), "converged": converged}
    print(json.dumps({**last, "rounds": rounds}), flush=True)
    return 0 if converged == len(rounds) else 1


def _round(gaps: tuple[float, ...]) -> tuple[dict[str, Any], float]:
    """Run one main job on its own stack. The seconds are from its first call until its last image is current."""
    folder = Path(tempfile.mkdtemp(prefix="imagefactory-"))
    problems: list[str] = []
    facts: dict[str, Any] = {}
    began = time.monotonic()
    try:
        with stack.running(folder) as running:
            killer = kills.Killer(stack=running, gaps=gaps)
            story = Story(stack=running, watch=killer.watch)
            killer.begin(story)
            began = time.monotonic()
            try:
                facts, problems = _play(story)
            except (StoryError, CommandFailure) as error:
                problems = [str(error)]
            struck = killer.kills[0] if killer.kills else None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    outcome = {
        "killed_at": None if struck is None else struck.moment,
        "during": "nobody built" if struck is None or not struck.during else ", ".join(struck.during),
        "builds": facts.get("builds", 0),
        "duplicate_builds": facts.get("duplicate_builds", 0),
        "seconds": round(facts.get("over", time.monotonic()) - began, 1),
        "problems": problems,
    }
    return outcome, outcome["seconds"]


def _play(story: Story) -> tuple[dict[str, Any], list[str]]:
    started = time.monotonic()
    story.register()
    story.wait_for_first_builds()
    story.publish_release()
    story.rebuild_leaf()
    over = time.monotonic()
    left = story.wait_until_quiet()
    outcome = report.conclude(story, left=left, seconds=over - started, packer="recorded")
    return {**outcome.facts, "over": over}, list(outcome.problems)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="rounds, each with one kill (default 20)")
    parser.add_argument("--seed", type=int, default=1, help="what the moments are drawn from (default 1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
