"""`python -m benchmarks.cascade`: compares policies on one release through one fleet. The last line is JSON."""

import argparse
import gc
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.cascade import factory, fleet, models, plot, report
from benchmarks.cascade.models import Run
from benchmarks.cascade.report import Setting

AZURE_DEFAULT = 300  # creations of container groups per hour, region and subscription
_RAISED = 3000  # a quota that a subscription with so many slots must request
_BESIDE = 2500  # images at most in the comparison at Azure's default: one day shows the same as a week
_NAMES = (factory.NAME, *models.POLICIES)


def main(argv: list[str]) -> int:
    """Run and print. The exit status is 1 if the factory left an image behind."""
    options = _parser().parse_args(argv)
    names = _NAMES if options.policy == "all" else (options.policy,)
    settings = _settings(options)
    try:
        runs = _run_all(settings, names, options.workers)
    except factory.StuckError as error:
        print(f"the factory is stuck: {error}")
        return 1
    compared = [report.compare(*each) for each in zip(settings, runs, strict=True)]
    asked, default = compared[0], compared[-1]  # the same if the requested budget is Azure's default
    if not options.json:
        print("\n".join(report.table(each) for each in compared))
    if options.plot:
        title = (
            f"{options.images} images, {options.slots} slots, {options.creates_per_hour} creations per hour"
        )
        options.plot.write_text(plot.svg(title, runs[0], settings[0].bound), encoding="utf-8")
    beside = {"horizon_seconds": models.HORIZON, "azure_default": default.to_wire()}
    print(json.dumps({**asked.to_wire(), **beside}))
    return 0


def run_one(setting: Setting, name: str) -> Run:
    """One policy in one setting."""
    if name != factory.NAME:
        return setting.under(models.POLICIES[name])
    return factory.run(setting.fleet, slots=setting.slots, creates_per_hour=setting.creates_per_hour)


def _settings(options: argparse.Namespace) -> list[Setting]:
    """The requested setting, and Azure's default if it is another budget."""
    made = fleet.make(options.images, seed=options.seed)
    asked = Setting(fleet=made, slots=options.slots, creates_per_hour=options.creates_per_hour)
    if options.creates_per_hour == AZURE_DEFAULT:
        return [asked]
    smaller = fleet.make(min(options.images, _BESIDE), seed=options.seed)
    return [asked, Setting(fleet=smaller, slots=options.slots, creates_per_hour=AZURE_DEFAULT)]


def _run_all(settings: Sequence[Setting], names: Sequence[str], workers: int) -> list[list[Run]]:
    """Runs by setting, in the order of `names`. The long runs come first, and run in parallel."""
    if workers == 1:
        return [[run_one(setting, name) for name in names] for setting in settings]
    spawn = multiprocessing.get_context("spawn")
    # A run has no reference cycles to collect, but the collector would search its millions of objects.
    with ProcessPoolExecutor(max_workers=workers, mp_context=spawn, initializer=gc.disable) as pool:
        waiting = [[pool.submit(run_one, setting, name) for name in names] for setting in settings]
        return [[each.result() for each in row] for row in waiting]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cascade", description=__doc__)
    parser.add_argument("--images", type=_positive, default=1000)
    parser.add_argument("--slots", type=_positive, default=100)
    parser.add_argument("--policy", choices=("all", *_NAMES), default="all")
    parser.add_argument(
        "--creates-per-hour",
        type=_positive,
        default=_RAISED,
        help=f"container groups that may be created in an hour (default {_RAISED}, a raised quota); "
        f"Azure's default of {AZURE_DEFAULT} is reported beside it",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the fleet")
    parser.add_argument(
        "--plot", type=Path, help="write an SVG: the share of the fleet that is current, over time"
    )
    parser.add_argument("--workers", type=_positive, default=2, help="processes (default 2)")
    parser.add_argument("--json", action="store_true", help="print nothing but the last line, which is JSON")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("give at least 1")
    return number
