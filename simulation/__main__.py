"""`python -m simulation`: run seeds of a simulated fleet and count what must never happen."""

import argparse
import json
import multiprocessing
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable

from simulation import sabotage, seeds
from simulation.chapters import contents
from simulation.faults import LEVELS
from simulation.seeds import SeedOutcome, SeedPlan


def main(words: list[str] | None = None) -> int:
    """Run the seeds. The last line is one JSON object. The exit status is 1 if an invariant was violated."""
    given = sys.argv[1:] if words is None else words
    if given[:1] == ["cascade"]:
        return _moved(given[1:])
    options = _parser().parse_args(given)
    started = time.monotonic()
    totals: Counter[str] = Counter()
    shown = False
    for seed, outcome in _outcomes(options):
        totals.update(
            deliveries=outcome.deliveries,
            faults=outcome.faults,
            publishes=outcome.publishes,
            violations=len(outcome.violations),
        )
        if outcome.violations:
            _report(_plan(options, seed), outcome, small=not shown and not options.quick)
            shown = True
        elif options.progress and seed % 100 == 0:
            print(f"seed {seed} holds after {time.monotonic() - started:.0f} s", file=sys.stderr)
    names = ("deliveries", "faults", "publishes", "violations")
    facts = {
        "first_seed": options.first_seed,
        "seeds": options.seeds,
        **{name: totals[name] for name in names},
        "seconds": round(time.monotonic() - started, 1),
    }
    print(json.dumps(facts))
    return 1 if totals["violations"] else 0


def _moved(words: list[str]) -> int:
    """Start the comparison of policies by its old command. It is a benchmark now, and a line on stderr says so."""
    print("`python -m simulation cascade` is now `python -m benchmarks.cascade`", file=sys.stderr, flush=True)
    # In its own process: benchmarks import the simulation, so the simulation must not import them.
    return subprocess.call([sys.executable, "-m", "benchmarks.cascade", *words])


def _outcomes(options: argparse.Namespace) -> Iterable[tuple[int, SeedOutcome]]:
    plans = [_plan(options, seed) for seed in range(options.first_seed, options.first_seed + options.seeds)]
    if options.jobs == 1:
        outcomes = map(seeds.run, plans)
        yield from ((plan.seed, outcome) for plan, outcome in zip(plans, outcomes, strict=True))
        return
    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=50) as pool:
        for plan, outcome in zip(plans, pool.imap(seeds.run, plans), strict=True):
            yield plan.seed, outcome


def _plan(options: argparse.Namespace, seed: int) -> SeedPlan:
    only = options.only_faults
    return SeedPlan(
        seed=seed,
        images=options.images,
        slots=options.slots,
        faults=options.faults,
        without=options.without,
        chapters=_chapters(options.chapters),
        days=options.days,
        only=None if only is None else tuple(each for each in only.split(",") if each != "none"),
    )


def _chapters(words: str) -> tuple[str, ...]:
    """The chapters that the words name; `all` names every one."""
    if words == "all":
        return tuple(contents.ALL)
    named = tuple(word for word in words.split(",") if word)
    unknown = [name for name in named if name not in contents.ALL]
    if unknown:
        raise SystemExit(f"no chapter is named {', '.join(unknown)}: there are {', '.join(contents.ALL)}")
    return named


def _report(plan: SeedPlan, outcome: SeedOutcome, *, small: bool) -> None:
    """Print the violations and the command that repeats them. The first failing seed is made small."""
    for line in outcome.violations[:20]:
        print(f"seed {plan.seed}: {line}")
    print(f"  replay: {plan.command()}")
    if not small:
        return
    print(
        f"  {len(outcome.struck)} faults struck; leaving out those that the failure does not need ...",
        flush=True,
    )
    smaller, again = seeds.shrink(plan, outcome.struck)
    print(f"  {len(smaller.only or ())} faults are enough: {again.violations[0] if again.violations else ''}")
    print(f"  replay: {smaller.command()}")
    for line in seeds.story_of(again):
        print(f"  | {line}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--faults", choices=sorted(LEVELS), default="light")
    parser.add_argument("--jobs", type=int, default=1, help="processes to run seeds in")
    parser.add_argument("--only-faults", help="ids of the faults that may strike, as a replay names them")
    parser.add_argument(
        "--without", choices=["", *sabotage.ALL], default="", help="switch a rule off: seeds must then fail"
    )
    parser.add_argument(
        "--chapters", default="", help=f"of the story: all, or some of {', '.join(contents.ALL)}"
    )
    parser.add_argument(
        "--days", type=int, default=0, help="spread the story over so many days of virtual time"
    )
    parser.add_argument("--quick", action="store_true", help="do not make the first failing seed small")
    parser.add_argument("--progress", action="store_true", help="print the progress, every 100 seeds")
    parser.add_argument(
        "--json", action="store_true", help="accepted for scripts; the last line is always JSON"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
