"""The policy: SecOps only, by version, kept by digest; what is judged is judged by what is in force then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from pipeline_core.adapters.memory.tables import MemoryTables
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    NotFound,
    PermanentError,
    StaleWrite,
    TransientError,
)
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.policy import OPEN, ComplianceFloor, PolicyVersion
from pipeline_core.ports import Principal, Row, TableWrite, WriteKind
from pipeline_core.services.policies.policy import PolicyLost
from pipeline_core.state.unlogged import UnloggedStore
from pipeline_core.wire.problems import InvalidDocument
from simulation.world import ADMIN, SimulatedWorld
from tests.unit.services import losses, scenes
from tests.unit.services import policy_documents as policies
from tests.unit.services.scenes import BASE, JAVA, PAYMENTS

CHAIN = {"rhel9-base": None, "rhel9-java": "rhel9-base", "payments-api": "rhel9-java"}
GENERAL = ComplianceFloor(profile="cis_server_l1", min_score=80)


def _put(made: SimulatedWorld, spec: dict[str, Any], expected: str | None, by: Principal = ADMIN) -> int:
    service = made.factory.policy
    shown = service.put(policies.document(**spec), by, expected=expected, create_only=expected is None)
    return shown.version.revision


def test_before_any_policy_everything_is_allowed() -> None:
    made = scenes.registered({})
    service = made.factory.policy
    assert service.current() == service.seen() == service.demand() == OPEN
    assert service.floor_of(BASE) == ComplianceFloor()
    assert service.versions(limit=10) == ()
    with pytest.raises(NotFound, match="no policy is in force"):
        service.shown()
    with pytest.raises(NotFound, match="no version 1"):
        service.shown(1)


@pytest.mark.parametrize("caller", [scenes.principal("secops"), scenes.principal(roles=["Factory.Reader"])])
def test_only_secops_changes_the_policy(caller: Principal) -> None:
    made = scenes.registered({})
    with pytest.raises(PermanentError) as refused:
        _put(made, {}, None, caller)
    assert refused.value.error_class is ErrorClass.PERMISSION
    assert made.factory.policy.current() == OPEN


def test_a_policy_replaces_the_version_that_was_seen_and_every_version_is_kept() -> None:
    made = scenes.registered({})
    service = made.factory.policy
    with pytest.raises(NotFound, match="If-None-Match"):
        _put(made, {}, "1")
    assert _put(made, {"maxAge": "7d"}, None) == 1
    with pytest.raises(AlreadyExists):
        _put(made, {}, None)
    made.ports.clock.advance(timedelta(hours=1))
    assert _put(made, {"maxAge": "8d"}, "1") == 2
    with pytest.raises(StaleWrite):
        _put(made, {"maxAge": "9d"}, "1")
    assert service.current().longest_max_age == timedelta(days=8)
    assert service.current().revision == 2
    newest, oldest = service.versions(limit=10)
    assert (newest.revision, oldest.revision) == (2, 1)
    assert newest.at - oldest.at == timedelta(hours=1)
    assert newest.actor == ADMIN.name
    assert service.versions(before=2, limit=10) == (oldest,)
    assert service.shown().document == policies.document(maxAge="8d")
    assert service.shown(1).document == policies.document(maxAge="7d")
    assert scenes.logged(made, "policy-changed", revision=2, actor="user:admin")


def test_the_same_document_again_changes_nothing() -> None:
    made = scenes.registered({})
    policies.put(made, maxAge="7d")
    assert _put(made, {"maxAge": "7d"}, "1") == 1
    assert len(made.factory.policy.versions(limit=10)) == 1
    policies.put(made, maxAge="8d")
    assert policies.put(made, maxAge="7d").version.revision == 3  # what was before may come again
    assert made.factory.policy.current().revision == 3


def test_a_document_that_is_wrong_is_not_stored() -> None:
    made = scenes.registered({})
    rows, blobs = made.ports.tables.rows("index"), list(made.ports.blobs.list("definitions", ""))
    with pytest.raises(InvalidDocument) as refused:
        _put(made, {"maxAge": "1s", "regions": ["x y"]}, None)
    assert [problem.path for problem in refused.value.problems] == ["spec.regions[0]", "spec.maxAge"]
    assert made.ports.tables.rows("index") == rows
    assert list(made.ports.blobs.list("definitions", "")) == blobs


def test_a_floor_under_an_image_that_is_not_a_base_is_refused_and_one_for_a_base_to_come_is_reported() -> (
    None
):
    made = scenes.registered(CHAIN)
    with pytest.raises(InvalidDocument) as refused:
        _put(made, {"bases": {"rhel9-java": {}}}, None)
    (problem,) = refused.value.problems
    assert (problem.path, problem.message) == (
        "spec.bases['rhel9-java']",
        "is not a base: it is built from rhel9-base",
    )
    shown = policies.put(made, bases={"rhel9-base": {}, "rhel10-base": {}})
    assert shown.unregistered == (ImageName("rhel10-base"),)


def test_the_floor_of_an_image_is_that_of_its_base_whatever_is_between() -> None:
    made = scenes.registered(CHAIN)
    service = made.factory.policy
    policies.put(made, compliance=policies.FLOOR)
    assert {service.floor_of(image) for image in (BASE, JAVA, PAYMENTS, ImageName("gone"))} == {GENERAL}
    policies.put(made, compliance=policies.FLOOR, bases={"rhel9-base": {"minScore": 95}})
    strict = ComplianceFloor(profile="cis_server_l1", min_score=95)
    assert {service.floor_of(image) for image in (BASE, JAVA, PAYMENTS)} == {strict}
    assert service.floor_of(ImageName("gone")) == GENERAL


def test_ancestors_that_do_not_end_are_looked_through_a_bounded_number_of_times() -> None:
    made = scenes.registered(CHAIN)
    known = {
        BASE: scenes.head(made, JAVA),  # built from rhel9-base: a circle of one
        JAVA: scenes.head(made, JAVA),
    }
    assert made.factory.policy.root_of(JAVA, known) == BASE


def test_another_process_judges_by_the_new_policy_at_once() -> None:
    made = scenes.registered({})
    policies.put(made, maxAge="7d")
    other = made.factory.policy
    other.current()
    scenes.limited(made)
    policies.put(made, maxAge="8d")
    assert made.factory.policy is not other
    assert other.current().longest_max_age == timedelta(days=8)


def test_what_was_in_force_and_is_lost_lets_nothing_through() -> None:
    made = scenes.registered({})
    policies.put(made, maxAge="7d")
    losses.lose_tables(made, "index", only=lambda row: row.partition == "policy")
    service = made.factory.policy
    with pytest.raises(PolicyLost, match="state recover --force"):
        service.current()
    with pytest.raises(PermanentError, match="was lost") as refused:
        _put(made, {}, None)
    assert refused.value.error_class is ErrorClass.CONFLICT
    with pytest.raises(PermanentError, match="was lost"):
        service.shown()
    with pytest.raises(PermanentError, match="was lost"):
        made.register("rhel9-base", None)
    assert scenes.images(made).find_head(BASE) is None


def test_a_document_that_is_not_what_its_name_says_is_not_believed() -> None:
    made = scenes.registered({})
    digest = policies.put(made, maxAge="7d").version.digest
    forged = scenes.settled({})
    forged.ports.blobs.create("definitions", f"policies/{digest}.json", b"{}", media_type="application/json")
    scenes.rewired(made, blobs=forged.ports.blobs)
    with pytest.raises(PermanentError, match="was changed in storage"):
        made.factory.policy.current()


def test_many_policies_one_after_the_other_are_each_in_force() -> None:
    made = scenes.registered({})
    for days in range(1, 12):
        policies.put(made, maxAge=f"{days}d")
        assert made.factory.policy.current().longest_max_age == timedelta(days=days)


def test_two_who_change_the_policy_at_one_moment_do_not_overwrite_each_other() -> None:
    made = scenes.registered({})
    policies.put(made, maxAge="7d")

    def overtake() -> None:
        policies.put(made, maxAge="8d")

    first = scenes.once(overtake)
    watched = scenes.WatchedTables(
        inner=made.ports.tables,
        before=lambda table, writes: first() if writes[0].row.partition == "policy" else None,
    )
    quick = made.factory
    scenes.rewired(made, tables=watched)
    slow, made.factory = made.factory, quick
    with pytest.raises(StaleWrite):
        slow.policy.put(policies.document(maxAge="9d"), ADMIN, expected="1", create_only=False)
    assert quick.policy.current().longest_max_age == timedelta(days=8)
    assert len(quick.policy.versions(limit=10)) == 2


def test_a_death_behind_the_change_is_repaired_in_the_recovery_log() -> None:
    made = scenes.registered({})
    recovery_log = made.base.effects.recovery_log
    version = PolicyVersion(revision=1, digest=Digest("ab" * 32), actor="Admin", at=made.ports.clock.now())
    recovery_log.announce_policy()
    row = made.base.records.policies.find_row()
    made.base.records.policies.put(version, etag=None if row is None else row.etag)
    assert recovery_log.repair() == 0
    made.ports.clock.advance(timedelta(minutes=6))
    assert recovery_log.repair() == 1
    assert [entry.to_domain() for entry in recovery_log.policies()] == [version]
    assert UnloggedStore(made.ports.tables).list() == []


def test_a_death_ahead_of_the_change_leaves_no_entry() -> None:
    made = scenes.registered({})
    recovery_log = made.base.effects.recovery_log
    recovery_log.announce_policy()
    made.ports.clock.advance(timedelta(minutes=6))
    assert recovery_log.repair() == 1
    assert list(recovery_log.policies()) == []
    assert made.factory.policy.current() == OPEN


def _row(made: SimulatedWorld) -> PolicyVersion | None:
    found = made.base.records.policies.find_row()
    return None if found is None else found.value


def test_that_there_is_no_policy_is_asked_of_the_recovery_log_once_and_then_noted() -> None:
    made = scenes.registered({})
    losses.lose_tables(made, "index", only=lambda row: row.partition == "policy")
    asked: list[str] = []
    blobs = Listed(inner=made.ports.blobs, asked=asked)
    scenes.rewired(made, blobs=blobs)
    assert made.factory.policy.current() == OPEN
    assert made.factory.policy.floor_of(BASE) == ComplianceFloor()
    assert [prefix for prefix in asked if "policy" in prefix] == ["chronicle/policy/"]
    noted = _row(made)
    assert noted is not None
    assert noted.revision == 0
    assert made.base.records.policies.find_current() is None
    assert made.factory.policy.versions(limit=10) == ()


def test_a_build_without_a_policy_lists_no_blobs_for_it() -> None:
    made = scenes.registered({"rhel9-base": None})
    asked: list[str] = []
    scenes.rewired(made, blobs=Listed(inner=made.ports.blobs, asked=asked))
    made.drain()
    assert scenes.head(made, BASE).current is not None
    assert [prefix for prefix in asked if "policy" in prefix] == []


def test_the_first_policy_is_written_over_the_note_and_its_loss_is_a_loss() -> None:
    made = scenes.registered({})
    assert made.factory.policy.current() == OPEN
    assert policies.put(made, maxAge="7d").version.revision == 1
    assert made.factory.policy.current().revision == 1
    losses.lose_tables(made, "index", only=lambda row: row.partition == "policy" and row.key == "current")
    with pytest.raises(PolicyLost):
        made.factory.policy.current()
    assert _row(made) is None


def test_a_read_that_finds_no_policy_while_the_first_is_put_in_force_obeys_it() -> None:
    made = scenes.registered({})
    losses.lose_tables(made, "index", only=lambda row: row.partition == "policy")
    quick = made.factory

    def put() -> None:
        policies.put(made, maxAge="7d")

    first = scenes.once(put)

    def overtake(table: str, writes: Sequence[TableWrite]) -> None:
        if writes[0].row.partition == "policy":
            made.factory, slow = quick, made.factory
            first()
            made.factory = slow

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=overtake))
    assert made.factory.policy.current().longest_max_age == timedelta(days=7)


def test_a_note_that_nobody_can_keep_is_tried_again_later() -> None:
    made = scenes.registered({})
    losses.lose_tables(made, "index", only=lambda row: row.partition == "policy")
    scenes.rewired(made, tables=Forgetful(inner=made.ports.tables))
    with pytest.raises(TransientError, match="the record of the policy is being changed by others"):
        made.factory.policy.current()


def test_tables_from_before_the_first_policy_are_repaired_by_a_recovery() -> None:
    made = scenes.registered({})
    note = next(row for row in made.ports.tables.rows("index") if row.partition == "policy")
    policies.put(made, maxAge="7d")
    losses.lose_tables(made, "index", only=lambda row: row.partition == "policy")
    made.ports.tables.write("index", [TableWrite(verb=WriteKind.INSERT, row=note)])
    assert made.factory.policy.recover() is True
    assert made.factory.policy.current().longest_max_age == timedelta(days=7)
    assert made.factory.policy.recover() is False


class Forgetful(scenes.WatchedTables):
    """Tables that never show a row of the policy."""

    def __init__(self, inner: MemoryTables) -> None:
        super().__init__(inner=inner, before=lambda *_: None)

    def find(self, table: str, partition: str, key: str) -> Row | None:
        return None if partition == "policy" else self.inner.find(table, partition, key)


@dataclass(slots=True, kw_only=True)
class Listed:
    """Blobs that note which prefixes are listed."""

    inner: Any
    asked: list[str]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def list(self, container: str, prefix: str, *, limit: int = 1000) -> Any:
        self.asked.append(prefix)
        return self.inner.list(container, prefix, limit=limit)
