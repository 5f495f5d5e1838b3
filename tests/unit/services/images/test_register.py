"""Register: every problem at once and nothing stored, two editors never overwrite each other, nobody takes over."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline_core.domain import captures
from pipeline_core.domain.builds import Phase
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    NotFound,
    PermanentError,
    StaleWrite,
    TransientError,
)
from pipeline_core.domain.journal import Event
from pipeline_core.domain.names import Digest, ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Principal, Row, TableWrite
from pipeline_core.services.images.register import Registered
from pipeline_core.wire.problems import InvalidDocument
from simulation import fleet, world
from simulation.world import ADMIN, SOURCE, UPLOADER, SimulatedWorld
from tests.unit.services import scenes
from tests.unit.services.scenes import BASE, JAVA, PAYMENTS, PYTHON

ONE = {"rhel9-base": None}
TWO = {"rhel9-base": None, "rhel9-java": "rhel9-base"}
MISSING = Digest("ab" * 32)
APP = ImageName("app")


def _put(
    made: SimulatedWorld,
    document: dict[str, Any],
    *,
    name: str | None = None,
    by: Principal = ADMIN,
    expected: str | None = None,
    bundle: Digest | None = None,
) -> Registered:
    return made.factory.registrar.register(
        ImageName(name or document["metadata"]["name"]),
        document,
        bundle or world.upload(made, "content"),
        by,
        expected=expected,
        create_only=expected is None,
    )


def _refused(made: SimulatedWorld, document: dict[str, Any], **options: Any) -> dict[str, str]:
    """The problems by their place; nothing may have been stored."""
    names = [row.key for row in made.ports.tables.rows("images")]
    kept = [facts.name for facts in made.ports.blobs.list("definitions", "")]
    fleet_rows = _index_rows(made)
    with pytest.raises(InvalidDocument) as refused:
        _put(made, document, **options)
    assert [row.key for row in made.ports.tables.rows("images")] == names
    assert [facts.name for facts in made.ports.blobs.list("definitions", "")] == kept
    assert _index_rows(made) == fleet_rows
    assert all(problem.remedy for problem in refused.value.problems)
    return {problem.path: problem.message for problem in refused.value.problems}


def _index_rows(made: SimulatedWorld) -> list[Row]:
    """The index without the records of bundles: `_put` uploads one, and an upload is stored."""
    return [row for row in made.ports.tables.rows("index") if row.partition != "bundles"]


def test_a_registered_image_is_stored_whole_and_looked_at() -> None:
    made = scenes.registered({})
    answer = _put(made, fleet.document("rhel9-base", None))
    head = scenes.head(made, BASE)
    assert answer.created
    assert answer.head == head
    assert answer.etag == str(head.registration.definition)
    content = made.ports.blobs.read("definitions", f"{answer.etag}.json", limit=10**6)
    assert scenes.sha256(content) == answer.etag
    assert scenes.events(made, BASE) == [Event.REGISTERED]
    assert list(scenes.index(made).roots(SOURCE)) == [BASE]
    assert scenes.index(made).fleet().heads == (head,)
    assert "rhel9-base" in scenes.asked(made)


def test_every_problem_is_reported_at_once_and_nothing_is_stored() -> None:
    made = scenes.registered({})
    document = fleet.document("app", "nobody")
    document["spec"]["build"]["catalog"] = ["falcon-sensor"]
    document["spec"]["build"]["provisioners"].append({"shell": "scripts/absent.sh"})
    assert set(_refused(made, document, name="other")) == {
        "metadata.name",
        "spec.build.provisioners[1].shell",
        "spec.build.catalog[0]",
        "spec.parent.image",
    }


def test_a_broken_document_is_refused_before_anything_is_read() -> None:
    made = scenes.registered({})
    document = fleet.document("app", None)
    document["spec"]["build"]["timeout"] = "soon"
    document["spec"]["surprise"] = 1
    assert {"spec.build.timeout", "spec.surprise"} <= set(_refused(made, document))


def test_a_bundle_that_was_not_uploaded_is_named() -> None:
    made = scenes.registered({})
    problems = _refused(made, fleet.document("rhel9-base", None), bundle=MISSING)
    assert str(MISSING) in problems["bundle"]


def test_a_bundle_under_a_wrong_digest_is_refused_and_not_kept() -> None:
    made = scenes.registered({})
    _, content = fleet.bundle("x")
    with pytest.raises(InvalidDocument, match=scenes.sha256(content)):
        made.factory.registrar.store_bundle(MISSING, content, UPLOADER)
    assert made.ports.blobs.find_facts("bundles", f"{MISSING}.tar.gz") is None


def test_a_bundle_that_is_not_an_archive_is_refused_and_not_kept() -> None:
    made = scenes.registered({})
    digest = Digest(scenes.sha256(b"no archive"))
    with pytest.raises(InvalidDocument):
        made.factory.registrar.store_bundle(digest, b"no archive", UPLOADER)
    assert made.ports.blobs.find_facts("bundles", f"{digest}.tar.gz") is None


def test_the_same_bundle_twice_is_kept_once() -> None:
    made = scenes.registered({})
    digest, content = fleet.bundle("x")
    assert made.factory.registrar.store_bundle(digest, content, UPLOADER)
    assert not made.factory.registrar.store_bundle(digest, content, UPLOADER)


def test_a_cycle_is_refused_with_its_path() -> None:
    made = scenes.registered({**TWO, "payments-api": "rhel9-java"})
    etag = str(scenes.head(made, JAVA).registration.definition)
    problems = _refused(made, fleet.document("rhel9-java", "payments-api"), expected=etag)
    assert problems == {"spec.parent.image": "makes a cycle: rhel9-java -> payments-api -> rhel9-java"}
    assert scenes.head(made, JAVA).registration.parent == BASE


def test_an_image_cannot_be_its_own_parent() -> None:
    made = scenes.registered(TWO)
    etag = str(scenes.head(made, JAVA).registration.definition)
    problems = _refused(made, fleet.document("rhel9-java", "rhel9-java"), expected=etag)
    assert "makes a cycle" in problems["spec.parent.image"]


def test_a_chain_may_have_sixteen_levels_and_no_more() -> None:
    parents: dict[str, str | None] = {"a0": None}
    parents |= {f"a{level}": f"a{level - 1}" for level in range(1, 16)}
    made = scenes.registered(parents)
    problems = _refused(made, fleet.document("a16", "a15"))
    assert "level 17, and 16 are allowed" in problems["spec.parent.image"]


def test_the_parent_of_another_team_is_refused_and_that_of_secops_is_not() -> None:
    made = scenes.registered(ONE)
    scenes.register_for(made, "app", "rhel9-base", "payments")
    problems = _refused(made, scenes.of_team("mine", "app", "ml"), by=scenes.principal("ml"))
    assert "belongs to team payments, and team ml may not build on it" in problems["spec.parent.image"]
    assert scenes.register_for(made, "mine", "rhel9-base", "ml").registration.parent == BASE
    assert scenes.register_for(made, "app2", "app", "payments").registration.parent == APP


def test_a_child_has_the_generation_of_its_parent() -> None:
    made = scenes.registered(ONE)
    document = fleet.document("rhel9-java", "rhel9-base")
    document["spec"]["os"] = {"generation": "V1", "architecture": "x64", "securityType": "Standard"}
    refused = _refused(made, document)
    assert refused == {"spec.os.generation": refused["spec.os.generation"]}
    assert "is V1, and the parent rhel9-base is V2" in refused["spec.os.generation"]


def test_an_answer_says_what_the_first_build_fixes() -> None:
    made = scenes.registered(ONE)
    done = _put(made, fleet.document("rhel9-java", "rhel9-base"))
    fixed = {each.name: each.value for each in captures.fixed_traits(done.os)}
    assert fixed == {"generation": "V2", "architecture": "x64", "securityType": "TrustedLaunch"}


def test_a_major_that_goes_back_is_refused_once_a_version_was_built() -> None:
    made = scenes.settled(ONE)
    document = fleet.document("rhel9-base", None)
    document["spec"]["version"]["major"] = 8
    etag = str(scenes.head(made, BASE).registration.definition)
    problems = _refused(made, document, expected=etag)
    assert problems == {"spec.version.major": "is 8, but 9.20261121.1 was built already"}


def test_a_major_that_is_raised_starts_a_new_line_of_versions() -> None:
    made = scenes.settled(ONE)
    document = fleet.document("rhel9-base", None)
    document["spec"]["version"]["major"] = 10
    _put(made, document, expected=str(scenes.head(made, BASE).registration.definition))
    made.drain()
    assert scenes.head(made, BASE).last_version == GalleryVersion(10, 20261121, 1)


def test_two_editors_cannot_overwrite_each_other() -> None:
    made = scenes.registered(ONE)
    seen = str(scenes.head(made, BASE).registration.definition)
    first = fleet.document("rhel9-base", None, maxAge="7d")
    answer = _put(made, first, expected=seen)
    with pytest.raises(StaleWrite, match="read it again"):
        _put(made, fleet.document("rhel9-base", None, maxAge="14d"), expected=seen)
    assert str(scenes.head(made, BASE).registration.definition) == answer.etag
    assert not answer.created


def test_a_name_that_is_taken_is_not_created_again() -> None:
    made = scenes.registered(ONE)
    before = scenes.head(made, BASE)
    with pytest.raises(AlreadyExists):
        _put(made, fleet.document("rhel9-base", None, maxAge="7d"))
    assert scenes.head(made, BASE) == before


def test_an_update_of_what_is_not_registered_is_not_found() -> None:
    made = scenes.registered({})
    with pytest.raises(NotFound):
        _put(made, fleet.document("rhel9-base", None), expected=str(MISSING))
    assert made.ports.tables.rows("images") == []


def test_a_build_that_moves_the_head_is_not_a_conflict_for_an_editor() -> None:
    made = scenes.registered(ONE)
    seen = str(scenes.head(made, BASE).registration.definition)
    scenes.in_phase(made, BASE, Phase.VERIFYING)
    assert _put(made, fleet.document("rhel9-base", None, maxAge="7d"), expected=seen).etag != seen
    assert scenes.head(made, BASE).active is not None


def test_a_head_that_moves_during_the_write_is_not_a_conflict_either() -> None:
    made = scenes.registered(ONE)
    seen = str(scenes.head(made, BASE).registration.definition)
    race = scenes.once(lambda: scenes.look(made, BASE))

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if any(write.row.key.startswith("entry:") for write in writes):
            race()

    other = made.factory
    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    made.factory, editing = other, made.factory
    answer = editing.registrar.register(
        BASE,
        fleet.document("rhel9-base", None, maxAge="7d"),
        world.upload(made, "content"),
        ADMIN,
        expected=seen,
        create_only=False,
    )
    head = scenes.head(made, BASE)
    assert str(head.registration.definition) == answer.etag != seen
    assert head.active is not None  # what the build wrote is kept


def test_a_head_that_never_holds_still_is_to_be_sent_again() -> None:
    made = scenes.registered({})

    def before(table: str, writes: Sequence[TableWrite]) -> None:
        if table == "images":
            raise StaleWrite("moved")

    scenes.rewired(made, tables=scenes.WatchedTables(inner=made.ports.tables, before=before))
    with pytest.raises(TransientError, match="send it again"):
        _put(made, fleet.document("rhel9-base", None))


@pytest.mark.parametrize(
    ("team", "caller"),
    [
        ("ml", scenes.principal("ml")),
        ("payments", scenes.principal("ml")),
        ("ml", scenes.principal("payments")),
    ],
    ids=["to-myself", "edit-of-a-foreign-image", "to-somebody-else"],
)
def test_an_image_cannot_be_taken_over_in_either_direction(team: str, caller: Principal) -> None:
    made = scenes.registered(ONE)
    before = scenes.register_for(made, "app", "rhel9-base", "payments")
    document = scenes.of_team("app", "rhel9-base", team, maxAge="7d")
    with pytest.raises(PermanentError) as refused:
        _put(made, document, by=caller, expected=str(before.registration.definition))
    assert refused.value.error_class is ErrorClass.PERMISSION
    assert scenes.head(made, APP) == before


def test_a_member_of_both_teams_and_secops_may_hand_an_image_over() -> None:
    made = scenes.registered(ONE)
    before = scenes.register_for(made, "app", "rhel9-base", "payments")
    both = scenes.principal("ml", "payments")
    answer = _put(
        made,
        scenes.of_team("app", "rhel9-base", "ml"),
        by=both,
        expected=str(before.registration.definition),
    )
    assert str(answer.head.registration.team) == "ml"
    back = _put(made, scenes.of_team("app", "rhel9-base", "payments"), expected=answer.etag)
    assert str(back.head.registration.team) == "payments"


def test_only_secops_registers_and_edits_bases() -> None:
    made = scenes.registered(ONE)
    for document, expected in [
        (scenes.of_team("own-base", None, "ml"), None),
        (scenes.of_team("rhel9-base", "rhel9-java", "ml"), "x"),
    ]:
        with pytest.raises(PermanentError) as refused:
            _put(made, document, by=scenes.principal("ml"), expected=expected)
        assert refused.value.error_class is ErrorClass.PERMISSION
    app = scenes.register_for(made, "app", "rhel9-base", "ml")
    with pytest.raises(PermanentError, match=r"base image: only SecOps .* may register or change it"):
        _put(
            made,
            scenes.of_team("app", None, "ml"),
            by=scenes.principal("ml"),
            expected=str(app.registration.definition),
        )


def test_a_team_that_owns_a_base_cannot_turn_it_into_a_child() -> None:
    made = scenes.registered(ONE)
    base = _put(made, scenes.of_team("own-base", None, "ml"))
    with pytest.raises(PermanentError, match=r"base image: only SecOps .* may register or change it"):
        _put(
            made,
            scenes.of_team("own-base", "rhel9-base", "ml"),
            by=scenes.principal("ml"),
            expected=base.etag,
        )
    assert scenes.head(made, ImageName("own-base")) == base.head


def test_a_child_that_moves_to_another_parent_is_found_under_the_new_one_only() -> None:
    made = scenes.registered({**TWO, "rhel9-python": "rhel9-base", "payments-api": "rhel9-java"})
    made.register("payments-api", "rhel9-python")
    assert list(scenes.index(made).children(JAVA)) == []
    assert list(scenes.index(made).children(PYTHON)) == [PAYMENTS]


def test_heights_follow_the_longest_chain_below() -> None:
    made = scenes.registered()
    heights = {str(image): scenes.head(made, image).height for image in scenes.SIX}
    assert heights == {
        "rhel9-base": 2,
        "rhel9-java": 1,
        "rhel9-python": 1,
        "rhel9-vault": 0,
        "payments-api": 0,
        "ml-worker": 0,
    }
    listed = {str(head.name): head.height for head in scenes.index(made).fleet().heads}
    assert listed == heights


def test_labels_and_owners_change_without_a_build() -> None:
    made = scenes.settled(ONE)
    document = copy.deepcopy(fleet.document("rhel9-base", None))
    document["metadata"]["owners"] = ["others@example.com"]
    document["metadata"]["labels"] = {"tier": "1"}
    _put(made, document, expected=str(scenes.head(made, BASE).registration.definition))
    made.drain()
    assert len(scenes.builds(made, BASE)) == 1


def test_a_marketplace_that_does_not_answer_keeps_no_registration_from_standing() -> None:
    made = scenes.registered({})
    error = TransientError(ErrorClass.NETWORK, "no answer")
    market = scenes.Failing(inner=made.ports.marketplace, name="list_versions", errors=[error, error])
    scenes.rewired(made, marketplace=market)
    answer = _put(made, fleet.document("rhel9-base", None))
    assert "was not checked" in answer.notes[0]
    assert scenes.logged(made, "source-not-checked", image="rhel9-base")
    assert scenes.logged(made, "poll-failed", source=SOURCE.key)
    assert scenes.rest_of(made, BASE) == "unknown"
    made.factory.poller.poll()
    made.drain()
    assert scenes.rest_of(made, BASE) == "current"
