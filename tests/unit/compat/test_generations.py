"""Every row, message, job, report and document that an earlier commit wrote is read, and says what it said."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline_core.domain.names import BuildId, Digest, ImageName, Region
from pipeline_core.state.capacity import CapacityStore
from pipeline_core.state.images import ImageStore
from pipeline_core.state.index import Index
from pipeline_core.state.poison import PoisonStore
from pipeline_core.state.policy import PolicyStore
from pipeline_core.state.sources import SourceStore
from pipeline_core.state.unlogged import UnloggedStore
from pipeline_core.wire import messages, policy, resent
from pipeline_core.wire.image_yaml.read import read_definition_blob
from pipeline_core.wire.job import BuildJob
from pipeline_core.wire.provenance import Envelope, read_publication, read_statement
from pipeline_core.wire.recovery_log import ImageEntry, PlatformEntry, PolicyEntry
from pipeline_core.wire.report import BuildReport
from tests.unit.compat import generation, readers, samples
from tests.unit.compat.generation import Generation
from tests.unit.domain.factories import BASE, CHILD, NOW
from tools import golden

GENERATIONS = generation.all_generations()
HERE = Region("westeurope")
_MESSAGES: Mapping[str, type[messages.Message]] = {
    messages.REBUILD_REQUESTS: messages.RebuildMessage,
    messages.DISPATCH_REQUESTS: messages.DispatchMessage,
    messages.BUILD_STEPS: messages.StepMessage,
    messages.BUILD_EVENTS: messages.BuildEventMessage,
    messages.IMAGE_PUBLISHED: messages.PublishedMessage,
    messages.NOTIFICATION_REQUESTS: messages.NotificationMessage,
}
each_generation = pytest.mark.parametrize("kept", GENERATIONS, ids=lambda kept: str(kept.name))


def test_there_is_a_generation() -> None:
    assert GENERATIONS


@each_generation
def test_every_row_is_read_and_says_what_it_said(kept: Generation) -> None:
    for table, row in kept.rows:
        codec = readers.codec_of(table, row)
        if codec is None:
            continue
        stored = codec.read(row)
        said = json.loads(str(row.cells["value"]))
        assert readers.lost(said, readers.as_json(stored.value)) == [], (table, row.partition, row.key)


def _said(kept: Generation, table: str, partition: str, *prefixes: str) -> list[dict[str, Any]]:
    """What the rows of a generation say, each place once: of two rows with one key the first is stored."""
    rows = {
        (row.partition, row.key): json.loads(str(row.cells["value"]))
        for at, row in reversed(kept.rows)
        if at == table and row.partition == partition and row.key.startswith(prefixes)
    }
    return list(rows.values())


@each_generation
def test_the_stores_find_what_is_in_their_rows(kept: Generation) -> None:
    tables, base = generation.stored(kept), str(BASE)
    images, index = ImageStore(tables), Index(tables)
    assert images.get_head(BASE).value.name == BASE
    assert images.get_head(CHILD).value.name == CHILD
    assert images.find_former(CHILD) is not None
    entries = _said(kept, "images", base, "journal:", "entry:")
    assert {entry.key for entry in images.list_journal(BASE, limit=1000)} == {one["key"] for one in entries}
    ids = {one["id"]["value"] for one in _said(kept, "images", base, "build:")}
    assert {str(build.id) for build in images.builds(BASE)} == ids
    assert all(images.find_build(BuildId(identity)) is not None for identity in ids)
    assert len(index.waiting(limit=1000)) == len(_said(kept, "index", "pending", ""))
    assert BASE in {head.name for head in index.heads()}
    assert ImageName("rhel9-java") in set(index.children(BASE))
    sources = SourceStore(tables)
    assert len(sources.list()) == len(_said(kept, "index", "sources", ""))
    assert sources.find_platform() is not None
    assert sources.platform_revision() == 1
    revisions = {one["revision"] for one in _said(kept, "index", "policy", "version:")}
    assert {version.revision for version in PolicyStore(tables).list(limit=10)} == revisions
    poisoned = _said(kept, "index", "poison", "")
    assert len(PoisonStore(tables).page(after="", limit=10).records) == len(poisoned)
    assert UnloggedStore(tables).list() == [("*policy", NOW)]
    capacity = CapacityStore(tables, slots=4, creates_per_hour=100, team_slots=4)
    assert len(capacity.holders()) == 2
    assert len(capacity.read(NOW).taken) == 2


@each_generation
def test_every_message_is_read_and_says_what_it_said(kept: Generation) -> None:
    assert {queue for queue, _ in kept.messages} <= set(messages.QUEUES)
    for queue, text in kept.messages:
        message = _MESSAGES[queue].from_wire(text)
        assert readers.lost(json.loads(text), json.loads(message.to_wire())) == [], text


@each_generation
def test_a_message_that_was_sent_again_is_read_as_before_and_what_follows_it_has_no_count(
    kept: Generation,
) -> None:
    for queue, text in kept.messages:
        more, before = resent.counted(text)
        assert before == 0
        assert more != text
        read = _MESSAGES[queue].from_wire(more)  # ignores the count, as the readers of every release do
        assert read == _MESSAGES[queue].from_wire(text)
        assert resent.FIELD not in read.to_wire()
        assert resent.uncounted(more) == text


def _read_log_entry(text: str) -> Any:
    said = json.loads(text)
    if "image" in said:
        return ImageEntry.from_wire(text.encode())
    kind = PolicyEntry if "actor" in said else PlatformEntry
    return kind.from_wire(text.encode())


_FORMS: Mapping[str, Callable[[str], Any]] = {
    "job": lambda text: BuildJob.from_wire(text.encode(), digest=hashlib.sha256(text.encode()).hexdigest()),
    "report": lambda text: BuildReport.from_wire(text.encode()),
    "log entry": _read_log_entry,
}


@each_generation
@pytest.mark.parametrize("form", _FORMS)
def test_every_form_is_read_and_says_what_it_said(kept: Generation, form: str) -> None:
    for text in kept.forms[form]:
        read = _FORMS[form](text)
        assert readers.lost(json.loads(text), json.loads(read.to_wire())) == [], text


@each_generation
def test_every_definition_is_read(kept: Generation) -> None:
    names = [
        str(read_definition_blob(text.encode(), location=HERE).name) for text in kept.forms["definition"]
    ]
    assert names == ["payments-rhel9", "small"]


@each_generation
def test_every_blob_of_a_fleet_is_read(kept: Generation) -> None:
    read = [name for container, name, content in kept.blobs if _read_blob(container, name, content)]
    assert len(read) == len(kept.blobs)


def _read_blob(container: str, name: str, content: bytes) -> bool:
    """True where the blob was read as what its name says. Raises what its reader raises."""
    match container, name.rpartition("/")[2].partition(".")[2]:
        case "definitions", "json" if name.startswith("chronicle/"):
            _read_log_entry(content.decode())
        case "definitions", "json" if b'"Policy"' in content:
            policy.parse_policy(policy.read_policy_blob(content), revision=1)
        case "definitions", "json":
            read_definition_blob(content, location=HERE)
        case "definitions", "":
            assert name.startswith("chronicle/names/")
        case "jobs", "json":
            BuildJob.from_wire(content, digest=name.removesuffix(".json"))
        case "builds", "json" if name.endswith("/result.json"):
            BuildReport.from_wire(content)
        case "builds", _:
            pass  # notes and logs: only that they exist counts
        case "provenance", "json":
            assert Digest(hashlib.sha256(content).hexdigest()) == Digest(name.removesuffix(".json"))
            read_statement(content)
        case "provenance", ending if ending.endswith("publication.dsse.json"):
            read_publication(Envelope.from_wire(content).content())
        case "provenance", "dsse.json":
            read_statement(Envelope.from_wire(content).content())
        case "bundles", "tar.gz":
            assert hashlib.sha256(content).hexdigest() == name.removesuffix(".tar.gz")
        case _:
            return False
    return True


def test_a_new_generation_needs_a_sample_of_every_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A field that is at its default in every sample would be in no golden row: a change could lose it unseen."""
    monkeypatch.setattr(generation, "FOLDER", tmp_path)
    plain = [each for each in samples.everything() if each != samples.builds()[1]]
    monkeypatch.setattr(samples, "everything", lambda: iter(plain))
    assert golden.main(["002-again"]) == 2
    assert "Build.verdicts" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_program_never_overwrites_a_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "FOLDER", tmp_path)
    monkeypatch.setattr(generation, "unsampled", list)
    assert golden.main(["002-again"]) == 0
    before = (tmp_path / "002-again" / "rows.json").read_bytes()
    assert golden.main(["002-again"]) == 2
    assert golden.main(["again"]) == 2
    assert (tmp_path / "002-again" / "rows.json").read_bytes() == before
    assert [kept.name for kept in generation.all_generations()] == ["002-again"]


@pytest.mark.parametrize(
    ("name", "cores", "begun", "most"), [("004-grants", 4, 0, None), ("005-cores", 8, 2, 16)]
)
def test_slots_of_a_team_have_the_cores_and_the_day_that_their_release_counted(
    name: str, cores: int, begun: int, most: int | None
) -> None:
    """Before the cores were counted, each slot counts as a stated number, and the policy limited neither."""
    (kept,) = [each for each in GENERATIONS if each.name == name]
    store = CapacityStore(generation.stored(kept), slots=4, creates_per_hour=100, team_slots=4)
    capacity = store.read(NOW).capacity
    (team,) = capacity.by_team
    assert (capacity.by_team[team], capacity.cores[team], capacity.begun[team]) == (2, cores, begun)
    assert capacity.team_slots.of(team).cores == most
    assert [store.release(build).is_freed for build in store.holders()] == [True, True]
