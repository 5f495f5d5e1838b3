"""`python -m benchmarks.page_latency`: the time of the API's pages on Azurite, in the middle of a cascade.

The fleet has three levels. Half of it is current, a fifth is built, and the rest is stale. Its rows are written into a
real Azurite, and the real table adapter reads them there, over HTTPS with tokens as on Azure. An answer is measured
from the service behind the route to the body in JSON, one after the other. Its token is not checked.

The last line is JSON, in milliseconds. Times depend on the machine and on what else it does: so `reads` has the median
and the p95 of a point read in the same run. The exit status is 1 if the p95 of an answer is above 100 ms.
"""

import argparse
import json
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
from local import azurite, ca
from local.arm import launch
from local.run import storage
from pipeline_core.adapters.azure.tables import AzureTables
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.images import ActiveBuild, ImageHead
from pipeline_core.ports import Row, TableWrite, WriteKind
from pipeline_core.wiring.foundation import foundation_of
from triggers.api import models
from triggers.api.routes import images as routes

GOAL_MS = 100.0
_TOGETHER = 50  # rows in one transaction
_PERCENT = 95

Answer = Callable[[random.Random], str]


def main(words: list[str] | None = None) -> int:
    """Print the times of each kind of answer."""
    parser = argparse.ArgumentParser(prog="benchmarks.page_latency", description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--answers", type=int, default=60, help="of each kind")
    wanted = parser.parse_args(words)
    fleet = in_cascade(wanted.images)
    with _azurite() as (service, count):
        tables = AzureTables(service, fleet.world.ports.chance)
        rows = copy_rows(fleet, tables)
        made, base = fleet.world, fleet.world.base
        ports: Any = replace(made.ports, tables=tables)  # type: ignore[arg-type]  # the same Protocol
        made.rewire(foundation_of(ports, base.deployment, base.limits))
        names = [str(head.name) for head in fleet.heads()]
        facts: dict[str, Any] = {"images": wanted.images, "rows": rows, "goal_ms": GOAL_MS}
        reads = _times(lambda _: str(tables.find("images", names[0], "head")), wanted.answers)
        facts["reads"] = _figures(reads)
        for kind, answer in answers(fleet, names).items():
            before = count()
            facts[kind] = _figures(_times(answer, wanted.answers))
            facts[kind]["requests"] = round((count() - before) / (wanted.answers + 1), 1)
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
    queries = fleet.world.factory.queries

    def page(limit: int, after: str) -> str:
        return models.Images.model_validate(queries.images(limit=limit, after=after)).model_dump_json()

    def image(chance: random.Random) -> str:
        detail = queries.image(seeded.name_of(chance.randrange(len(names))))
        return routes.with_history(detail).model_dump_json()

    return {
        "list_first_100": lambda _: page(100, ""),
        "list_100": lambda chance: page(100, chance.choice(names)),
        "list_200": lambda chance: page(200, chance.choice(names)),
        "image": image,
        "lineage": lambda _: models.Lineage.model_validate(queries.lineage()).model_dump_json(),
    }


@contextmanager
def _azurite() -> Iterator[tuple[Any, Callable[[], int]]]:
    """Tables in an Azurite of its own, and how many requests it has answered."""
    with tempfile.TemporaryDirectory(prefix="pages-") as name:
        folder = Path(name)
        authority = ca.make_authority(folder / "ca")
        files = ca.issue_certificate(authority, ["127.0.0.1", "localhost"])
        with launch.start(folder / "arm", ca_folder=folder / "ca") as arm:
            running = azurite.start(folder / "storage", certificate=files.certificate, key=files.key)
            try:
                storage.prepare(running, arm)
                with storage.open_tables(running, arm) as service:
                    yield service, lambda: sum(running.count_requests().values())
            finally:
                running.stop()


def _times(answer: Answer, count: int) -> list[float]:
    """Milliseconds of so many answers, after one that is not counted."""
    chance, times = random.Random(7), []  # noqa: S311 - the same in each run
    answer(chance)
    for _ in range(count):
        began = time.perf_counter()
        answer(chance)
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)


def _figures(times: Sequence[float]) -> dict[str, float]:
    last = min(len(times) - 1, -(-len(times) * _PERCENT // 100) - 1)
    return {"median": round(times[len(times) // 2], 1), "p95": round(times[last], 1)}


def _insert(row: Row) -> TableWrite:
    return TableWrite(verb=WriteKind.INSERT, row=replace(row, etag=""))


if __name__ == "__main__":
    sys.exit(main())
