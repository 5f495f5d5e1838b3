"""`python -m simulation`: run seeds of a simulated fleet and count what must never happen."""

import argparse
import json
import random
import sys
import time
from collections import Counter

from pipeline_core.domain.names import ImageName
from simulation import fleet, world
from simulation.world import World

_DELIVERIES_PER_IMAGE = 1500  # a world at work needs about a tenth of that


def main() -> int:
    """The last line is one JSON object; exit status 1 where an invariant was violated."""
    options = _parser().parse_args()
    started = time.monotonic()
    totals: Counter[str] = Counter()
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        made = run(seed, images=options.images, slots=options.slots, faults=options.faults)
        broken = violations(made)
        totals.update(
            deliveries=made.deliveries,
            faults=made.injected,
            publishes=made.ports.logs.events().count("build-ended"),
            violations=len(broken),
        )
        for line in broken:
            replay = f"python -m simulation --first-seed {seed} --seeds 1 --images {options.images}"
            print(
                f"seed {seed}: {line}\n  replay: {replay} --slots {options.slots} --faults {options.faults}"
            )
    names = ("deliveries", "faults", "publishes", "violations")
    facts = {
        "first_seed": options.first_seed,
        "seeds": options.seeds,
        **{name: totals[name] for name in names},
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(facts))
    return 1 if totals["violations"] else 0


def run(seed: int, *, images: int, slots: int, faults: str) -> World:
    """First builds of a fleet, a new release, and two edits in the middle of its cascade, then rest."""
    made = world.make(seed=seed, slots=slots, faults=world.FAULTS[faults])
    chance = random.Random(seed)  # noqa: S311 - it has to repeat itself
    parents = fleet.forest(images, chance)
    for name, parent in parents.items():
        made.register(name, parent)
    limit = _DELIVERIES_PER_IMAGE * images
    if not _rests(made, limit):
        return made
    made.publish_release("9.8.2026062323")
    made.factory.poller.poll()
    for name in chance.sample(sorted(parents), k=min(2, len(parents))):
        made.register(name, parents[name], text=f"edit-{name}")
    _rests(made, made.deliveries + limit)
    return made


def _rests(made: World, limit: int) -> bool:
    try:
        made.settle(limit=limit)
    except world.RestlessError as error:
        made.restless = str(error)
        return False
    return True


def violations(made: World) -> list[str]:
    """What does not hold at rest: currency, one build per input and generation, nothing left, nothing poisoned."""
    found = [
        f"{view.name} is {view.state}: {view.detail} {', '.join(view.reasons)}"
        for view in made.factory.queries.images(limit=200).images
        if view.state != "current"
    ]
    for name in made.versions():
        ended = made.factory.queries.image(ImageName(name)).builds
        published = Counter(build.fingerprint for build in ended if build.result == "succeeded")
        found += [
            f"{name}: {key[:12]} was published {count} times" for key, count in published.items() if count > 1
        ]
    found += [made.restless] if made.restless else []
    found += [f"the container group {name} is left" for name in made.ports.containers.names()]
    found += [f"a message of {queue} was poisoned: {text}" for queue, text in made.poisoned]
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=20, help="at most 200")
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--faults", choices=sorted(world.FAULTS), default="light")
    parser.add_argument(
        "--json", action="store_true", help="accepted for scripts; the last line is always JSON"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
