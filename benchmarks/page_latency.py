"""`python -m benchmarks.page_latency`: the time of the API's pages on Azurite, in the middle of a cascade.

The fleet has three levels. Half of it is current, a fifth is built, and the rest is stale. Its rows are written into a
real Azurite, and the real table adapter reads them there, over HTTPS with tokens as on Azure. An answer is measured
from the service behind the route to the body in JSON, one after the other. Its token is not checked.

The last line is JSON, in milliseconds. Times depend on the machine and on what else it does: so `reads` has the median
and the p95 of a point read in the same run, and `load` the load before and after. `cpu` and `azurite_cpu` are the CPU
times of one answer, here and in Azurite: together what it takes on a machine that does nothing else. The exit status is
1 if the p95 of an answer is above 100 ms.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.growth import scenarios, seeded
from benchmarks.growth.seeded import SeededFleet
from benchmarks.process_times import group_seconds
from local import azurite, ca
from local.arm import launch
from local.azurite import RunningAzurite
from local.run import storage
from pipeline_core.adapters.azure.tables import AzureTables
from pipeline_core.adapters.reads import ReadsInTurn, ThreadedReads
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.images import ActiveBuild, ImageHead
from pipeline_core.domain.names import ImageName
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.wiring.foundation import foundation_of
from triggers.api import models
from triggers.api.routes import images as routes

GOAL_MS = 100.0
_TOGETHER = 50  # rows in one transaction
_PERCENT = 95
_SETTLED = 0.3  # seconds until Azurite has written its last lines

Answer = Callable[[random.Random], str]


def main(words: list[str] | None = None) -> int:
    """Print the times of each kind of answer."""
    parser = argparse.ArgumentParser(prog="benchmarks.page_latency", description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--answers", type=int, default=60, help="of each kind")
    parser.add_argument("--in-turn", action="store_true", help="no two reads of an answer at the same time")
    wanted = parser.parse_args(words)
    fleet = in_cascade(wanted.images)
    reads = ReadsInTurn() if wanted.in_turn else ThreadedReads()
    with _azurite() as running:
        service, store = running
        tables = AzureTables(service, fleet.world.ports.chance)
        rows = copy_rows(fleet, tables)
        made, base = fleet.world, fleet.world.base
        names = [str(head.name) for head in fleet.heads()]
        ports: Any = replace(made.ports, tables=tables, reads=reads)  # type: ignore[arg-type]  # the same Protocol
        made.rewire(foundation_of(ports, base.deployment, base.limits))
        facts: dict[str, Any] = {"images": wanted.images, "rows": rows, "goal_ms": GOAL_MS}
        facts["load"] = [round(os.getloadavg()[0], 1)]
        facts["reads"] = _measured(
            lambda _: str(tables.find("images", names[0], "head")), wanted.answers, store
        )
        for kind, answer in answers(fleet, names).items():
            facts[kind] = _measured(answer, wanted.answers, store)
        facts["load"].append(round(os.getloadavg()[0], 1))
    slow = [kind for kind in answers(fleet, names) if facts[kind]["p95"] > GOAL_MS]
    print(json.dumps({**facts, "slow": slow}))
    return 1 if slow else 0


def in_cascade(count: int) -> SeededFleet:
    """A fleet in the middle of a cascade. The builds that are on their way have rows as a dispatcher leaves them."""
    fleet = seeded.current(scenarios.broad(count))
    index = fleet.world.base.records.index

    def change(head: ImageHead) -> ImageHead:
        place = int(str(head.name).rpartition("-")[2]) % 10
        if place < 5 or head.current is None:
            return head
        stale = seeded.stale(head)
        if place > 6:
            return stale
        build = head.current.build
        index.add_active(build)
        if place == 5:
            index.show_phase(build, Phase.PUBLISHING)
        return replace(
            stale, active=ActiveBuild(build=build, fingerprint=head.current.fingerprint, phase=Phase.PENDING)
        )

    fleet.change(change)
    return fleet


def copy_rows(fleet: SeededFleet, tables: AzureTables) -> int:
    """Write every row of the fleet's tables into other tables; the number of rows."""
    count = 0
    for name in storage.TABLES:
        rows = fleet.world.ports.tables.rows(name)
        for _, found in groupby(rows, key=lambda row: row.partition):
            together = list(found)
            for start in range(0, len(together), _TOGETHER):
                tables.write(name, [_insert(row) for row in together[start : start + _TOGETHER]])
        count += len(rows)
    return count


def answers(fleet: SeededFleet, names: Sequence[str]) -> dict[str, Answer]:
    """The answers that are measured, each for an image or a page at random."""
    queries, bases = fleet.world.factory.queries, names[: max(1, len(names) // 1000)]

    def page(limit: int, after: str) -> str:
        return models.Images.model_validate(queries.images(limit=limit, after=after)).model_dump_json()

    def lineage(image: ImageName | None, limit: int, after: Sequence[ImageName]) -> str:
        view = queries.lineage(image, limit=limit, after=after)
        return models.Lineage.model_validate(view).model_dump_json()

    def image(chance: random.Random) -> str:
        detail = queries.image(seeded.name_of(chance.randrange(len(names))))
        return routes.with_history(detail).model_dump_json()

    return {
        "list_first_100": lambda _: page(100, ""),
        "list_100": lambda chance: page(100, chance.choice(names)),
        "list_200": lambda chance: page(200, chance.choice(names)),
        "image": image,
        "lineage_200": lambda chance: lineage(None, 200, (ImageName(chance.choice(names)),)),
        "lineage_1000": lambda chance: lineage(None, 1000, (ImageName(chance.choice(names)),)),
        "lineage_leaf": lambda chance: lineage(ImageName(chance.choice(names[len(names) // 10 :])), 50, ()),
        "lineage_below_50": lambda chance: lineage(ImageName(chance.choice(bases)), 50, ()),
    }


@contextmanager
def _azurite() -> Iterator[tuple[Any, RunningAzurite]]:
    """Tables in an Azurite of its own."""
    with tempfile.TemporaryDirectory(prefix="pages-") as name:
        folder = Path(name)
        authority = ca.make_authority(folder / "ca")
        files = ca.issue_certificate(authority, ["127.0.0.1", "localhost"])
        with launch.start(folder / "arm", ca_folder=folder / "ca") as arm:
            running = azurite.start(folder / "storage", certificate=files.certificate, key=files.key)
            try:
                storage.prepare(running, arm)
                with storage.open_tables(running, arm) as service:
                    yield service, running
            finally:
                running.stop()


def _measured(answer: Answer, count: int, store: RunningAzurite) -> dict[str, float]:
    """Milliseconds and requests of so many answers, after one that is not counted."""
    chance, times = random.Random(7), []  # noqa: S311 - the same in each run
    answer(chance)
    time.sleep(_SETTLED)
    requests, theirs = sum(store.count_requests().values()), group_seconds(store.running.pid)
    ours = time.process_time()
    for _ in range(count):
        began = time.perf_counter()
        answer(chance)
        times.append((time.perf_counter() - began) * 1000)
    ours = time.process_time() - ours
    time.sleep(_SETTLED)
    return {
        **_figures(sorted(times)),
        "cpu": round(ours * 1000 / count, 1),
        "azurite_cpu": round((group_seconds(store.running.pid) - theirs) * 1000 / count, 1),
        "requests": round((sum(store.count_requests().values()) - requests) / count, 1),
    }


def _figures(times: Sequence[float]) -> dict[str, float]:
    last = min(len(times) - 1, -(-len(times) * _PERCENT // 100) - 1)
    return {"median": round(times[len(times) // 2], 1), "p95": round(times[last], 1)}


def _insert(row: Row) -> TableWrite:
    return TableWrite(verb=WriteKind.INSERT, row=replace(row, etag=""))


if __name__ == "__main__":
    sys.exit(main())
