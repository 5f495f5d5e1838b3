"""`python -m simulation.campaign`: many seeds of the whole story, one after another, and again from where it stopped.

Each seed that has ended is one line of a file, which is named by a digest of the code that ran it. So a campaign that
was stopped goes on, and never mixes the results of two states of the code. The last line printed is one JSON object.
"""

import argparse
import hashlib
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from simulation import seeds
from simulation.chapters import contents
from simulation.seeds import SeedPlan

_ROOT = Path(__file__).parents[1]
_CODE = ("pipeline_core", "simulation")  # what decides the outcome of a seed, beside the locked dependencies
_HEAVY_EVERY = 10
_MILD = ("light", "races", "answers", "containers", "none")
_DAYS = (0, 1, 2, 3, 7)
_IMAGES = (6, 9, 12, 16)
_COUNTED = ("deliveries", "faults", "publishes", "days")


def plan_of(seed: int) -> SeedPlan:
    """The plan of one seed of the campaign: every tenth has heavy faults, and each tells every chapter."""
    heavy = seed % _HEAVY_EVERY == 0
    return SeedPlan(
        seed=seed,
        images=_IMAGES[seed // 7 % len(_IMAGES)],
        slots=2 + seed // 3 % 4,
        faults="heavy" if heavy else _MILD[seed % len(_MILD)],
        chapters=tuple(contents.ALL),
        days=_DAYS[seed // 10 % len(_DAYS)],
    )


def digest_of_code(root: Path = _ROOT) -> str:
    """Twelve hex digits over the Python files that decide an outcome."""
    found = hashlib.sha256()
    for folder in _CODE:
        for path in sorted((root / folder).rglob("*.py")):
            found.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]


def main(words: list[str] | None = None) -> int:
    """Run the seeds that have no line yet. The exit status is 1 if any seed of the campaign broke an invariant."""
    options = _parser().parse_args(words)
    options.into.mkdir(parents=True, exist_ok=True)
    record = options.into / f"{digest_of_code()}.jsonl"
    done = _read(record)
    wanted = range(options.first_seed, options.first_seed + options.seeds)
    left = [seed for seed in wanted if seed not in done]
    if len(left) < len(wanted):
        print(f"{len(wanted) - len(left)} of {len(wanted)} seeds have a line in {record}", file=sys.stderr)
    started = time.monotonic()
    with record.open("a") as lines:
        for number, line in enumerate(_lines(left, options.jobs), start=1):
            done[line["seed"]] = line
            lines.write(f"{json.dumps(line)}\n")
            lines.flush()
            for each in line["violations"][:3]:
                print(f"seed {line['seed']}: {each}\n  replay: {line['command']}", flush=True)
            if number % 100 == 0:
                spent = time.monotonic() - started
                print(f"{number} of {len(left)} seeds after {spent:.0f} s", file=sys.stderr)
    facts = _facts([done[seed] for seed in wanted])
    print(json.dumps({"code": digest_of_code(), **facts, "seconds": round(time.monotonic() - started, 1)}))
    return 1 if facts["violations"] else 0


def _lines(left: list[int], jobs: int) -> Iterable[Mapping[str, Any]]:
    if jobs == 1:
        yield from map(_line, left)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=50) as pool:
        yield from pool.imap_unordered(_line, left)


def _line(seed: int) -> Mapping[str, Any]:
    plan = plan_of(seed)
    started = time.monotonic()
    outcome = seeds.run(plan)
    return {
        "seed": seed,
        "heavy": plan.faults == "heavy",
        "days": plan.days,
        "deliveries": outcome.deliveries,
        "faults": outcome.faults,
        "publishes": outcome.publishes,
        "violations": list(outcome.violations),
        "command": plan.command(),
        "seconds": round(time.monotonic() - started, 2),
    }


def _read(record: Path) -> dict[int, Mapping[str, Any]]:
    """The seeds that have ended. A line that was cut off by a stop counts as not run."""
    found: dict[int, Mapping[str, Any]] = {}
    if not record.exists():
        return found
    for text in record.read_text().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        found[line["seed"]] = line
    return found


def _facts(lines: list[Mapping[str, Any]]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for line in lines:
        totals.update({name: line[name] for name in _COUNTED})
    return {
        "seeds": len(lines),
        "heavy": sum(line["heavy"] for line in lines),
        **{name: totals[name] for name in _COUNTED},
        "violations": sum(len(line["violations"]) for line in lines),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulation.campaign", description=__doc__)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2, help="processes to run seeds in")
    parser.add_argument("--into", type=Path, default=_ROOT / ".campaign", help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
