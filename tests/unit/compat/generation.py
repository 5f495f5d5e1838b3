"""Make and read one generation of golden files: rows, messages, forms and blobs as one commit writes them.

`rows.json` has what the stores wrote, `messages.json` the queues' texts, `forms.json` texts that are blobs by name
or by digest (jobs, reports, entries of the recovery log), and `blobs.json` every blob of a small fleet.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain.capacity import RunLimits, TeamSlots
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.ports import Cell, Row, TableWrite, WriteKind
from pipeline_core.state import images, poison, policy, sources
from pipeline_core.state.bundles import BundleStore
from pipeline_core.state.capacity import CapacityStore
from pipeline_core.state.galleries.unproven import UnprovenStore
from pipeline_core.state.grants.approvals import ApprovalStore
from pipeline_core.state.grants.waivers import put_waiver
from pipeline_core.state.index import Index
from pipeline_core.state.lineage import DECIDED, LineageStore
from pipeline_core.state.records import Stored
from pipeline_core.state.unlogged import POLICY, UnloggedStore
from pipeline_core.wire.document.text import read_yaml
from pipeline_core.wire.image_yaml.read import definition_blob
from simulation.world import SimulatedWorld
from tests.unit.compat import forms, grant_samples, platform_samples, samples, sent
from tests.unit.domain.factories import BASE, NOW, SOURCE, TEAM
from tests.unit.services import policy_documents, scenes
from tests.unit.wire import documents

FOLDER = Path(__file__).parents[2] / "golden" / "compat"
TABLES = ("images", "index", "capacity")
_FLEET: Mapping[str, str | None] = {"rhel9-base": None, "rhel9-java": "rhel9-base"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The golden files of one commit."""

    name: str
    rows: Sequence[tuple[str, Row]]
    messages: Sequence[tuple[str, str]]
    forms: Mapping[str, Sequence[str]]
    blobs: Sequence[tuple[str, str, bytes]]


def all_generations() -> Sequence[Generation]:
    """Every generation that is kept, the oldest first."""
    return [read(folder) for folder in sorted(FOLDER.iterdir()) if folder.is_dir()]


def read(folder: Path) -> Generation:
    """The golden files in a folder."""
    rows = [
        (each["table"], Row(partition=each["partition"], key=each["key"], cells=each["cells"]))
        for each in _load(folder / "rows.json")
    ]
    return Generation(
        name=folder.name,
        rows=rows,
        messages=[(each["queue"], each["text"]) for each in _load(folder / "messages.json")],
        forms=_load(folder / "forms.json"),
        blobs=[_blob(each) for each in _load(folder / "blobs.json")],
    )


def write(folder: Path) -> None:
    """Write what this commit stores and sends into a new folder. Raises FileExistsError if the folder exists."""
    folder.mkdir(parents=True)
    made = _fleet()
    rows = [*_sample_rows(), *((table, row) for table in TABLES for row in made.ports.tables.rows(table))]
    _save(folder / "rows.json", [_plain_row(table, row) for table, row in rows])
    _save(folder / "messages.json", [{"queue": queue, "text": text} for queue, text in _texts()])
    _save(folder / "forms.json", _forms())
    _save(folder / "blobs.json", list(_blobs(made)))


def unsampled() -> Sequence[str]:
    """The fields of records that have their default in every sample, as `Build.verdicts`."""
    plain: dict[str, set[str]] = {}
    for value in samples.everything():
        at_default = {
            f"{type(value).__name__}.{each.name}"
            for each in fields(value)
            if each.default is not MISSING and getattr(value, each.name) == each.default
        }
        known = plain.get(type(value).__name__, at_default)
        plain[type(value).__name__] = known & at_default
    return sorted(name for names in plain.values() for name in names)


def stored(generation: Generation) -> MemoryTables:
    """Tables with the rows of a generation. Of two rows with one key the first counts."""
    tables = MemoryTables()
    for table, row in generation.rows:
        if tables.find(table, row.partition, row.key) is None:
            tables.write(table, [TableWrite(verb=WriteKind.INSERT, row=row)])
    return tables


def _load(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))


def _save(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=1, ensure_ascii=True) + "\n", "utf-8")


def _plain_row(table: str, row: Row) -> dict[str, object]:
    cells: dict[str, Cell] = dict(row.cells)
    return {"table": table, "partition": row.partition, "key": row.key, "cells": cells}


def _blob(each: Mapping[str, str]) -> tuple[str, str, bytes]:
    content = each["text"].encode() if "text" in each else base64.b64decode(each["base64"])
    return each["container"], each["name"], content


def _blobs(made: SimulatedWorld) -> Iterator[dict[str, str]]:
    for container in ("bundles", "definitions", "jobs", "builds", "provenance"):
        for facts in made.ports.blobs.list(container, ""):
            content = made.ports.blobs.read(container, facts.name, limit=1 << 20)
            try:
                said = {"text": content.decode()}
            except UnicodeDecodeError:
                said = {"base64": base64.b64encode(content).decode()}
            yield {"container": container, "name": facts.name, **said}


def _sample_rows() -> Sequence[tuple[str, Row]]:
    """The rows of every full value, as the stores write them."""
    tables = MemoryTables()
    for each in _sample_writes():
        tables.write(images.TABLE, [each])
    index = Index(tables)
    for pending in samples.pendings():
        index.add_pending(pending)
    for head in samples.heads():
        index.project(head.name, head)
    index.add_active(samples.builds()[0].id)
    index.add_root(SOURCE, BASE)
    index.add_child(BASE, ImageName("rhel9-java"))
    followed = sources.SourceStore(tables)
    for source in samples.sources():
        followed.save(source, etag=None)
    followed.save_platform(platform_samples.platforms()[0], over=None)
    policies = policy.PolicyStore(tables)
    for version in samples.policies():
        policies.put(version, etag=None)
    approvals = ApprovalStore(tables)
    for approval in grant_samples.approvals():
        approvals.save(approval, etag=None)
    kept = poison.PoisonStore(tables)
    for record in samples.poison():
        kept.add(record)
    UnloggedStore(tables).add(POLICY, NOW)
    lineage = LineageStore(tables)
    lineage.save_ledger(samples.ledgers()[0], etag=None)
    for fault in samples.faults():
        lineage.add_fault(fault)
    for bundle in samples.bundles():
        BundleStore(tables).save(bundle, etag=None)
    _unproven_rows(tables)
    _take_slots(tables)
    return [(table, row) for table in TABLES for row in tables.rows(table)]


def _sample_writes() -> Iterator[TableWrite]:
    yield from (images.put_head(head, etag=None) for head in samples.heads())
    yield from (images.put_build(build, etag=None) for build in samples.builds())
    for number, claim in enumerate(samples.claims()):
        write = images.put_claim(claim, etag=None)
        yield replace(write, row=replace(write.row, key=f"claim:{number:064x}"))
    yield from (images.add_entry(entry) for entry in samples.entries())
    yield from (images.add_request(BASE, request) for request in samples.requests())
    yield from (DECIDED.write(str(BASE), "move", each, etag=None) for each in samples.decided())
    yield from (put_waiver(each, etag=None) for each in grant_samples.waivers())
    yield from (images.put_former(former, etag=None) for former in samples.formers())


def _take_slots(tables: MemoryTables) -> None:
    """Two builds of one team have slots and count in its day, and both budgets are in use and at rest."""
    store = CapacityStore(tables, slots=4, creates_per_hour=100, team_slots=4)
    limits = RunLimits(builds=2, cores=16, builds_per_day=9)
    store.save_team_slots(
        TeamSlots(revision=2, general=limits, teams={TEAM: limits}), is_current=lambda: True
    )
    ledger = store.read(NOW)
    for slot, pending in enumerate(samples.pendings()[:2]):
        other = replace(pending, build=BuildId(f"{pending.build.image}.{'ab' * 6}.{slot + 1}"))
        store.take(slot, other, ledger)
    store.buy_deletion(NOW)
    store.pause_creations(NOW)
    store.pause_deletions(NOW)


def _unproven_rows(tables: MemoryTables) -> None:
    store = UnprovenStore(tables)
    for each in samples.unproven():
        entry = replace(samples.entries()[0], key=each.entry)
        store.raise_once(each.image, each.version, entry)
        store.note_sent(Stored(value=each, etag=_etag_of(tables, f"unproven:{each.version}")))


def _etag_of(tables: MemoryTables, key: str) -> str:
    row = tables.find(images.TABLE, str(BASE), key)
    assert row is not None, key
    return row.etag


def _texts() -> Sequence[tuple[str, str]]:
    return [(queue, message.to_wire()) for queue, message in sent.sent()]


def _forms() -> Mapping[str, Sequence[str]]:
    full = definition_blob(read_yaml(documents.FULL.encode()), documents.BUNDLE)
    return {
        "definition": [full.decode(), definition_blob(documents.MINIMAL, documents.BUNDLE).decode()],
        "job": [job.to_wire().decode() for job in forms.jobs()],
        "report": [report.to_wire().decode() for report in forms.reports()],
        "log entry": [entry.to_wire().decode() for entry in samples.log_entries()],
    }


def _fleet() -> SimulatedWorld:
    """Two images that are current, under a policy, with all that was kept of their builds."""
    made = scenes.settled(_FLEET)
    policy_documents.put(made, compliance=policy_documents.FLOOR)
    return made
