"""The facts of a definition that planning needs, and the ETag of the document that they come from."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import floors
from pipeline_core.domain.definitions import RebuildRules, Webhook
from pipeline_core.domain.images import ImageHead, Registration
from pipeline_core.domain.names import GalleryName
from pipeline_core.domain.policy import Policy
from pipeline_core.domain.recipe import gates_digest, recipe_digest
from tests.unit.domain import factories as make
from tests.unit.domain.test_fingerprint import DEFINITION

DIGEST, GALLERY = make.digest("a"), GalleryName("live")
DAY = timedelta(days=1)


def test_a_registration_holds_what_its_definition_says() -> None:
    hooks = (
        Webhook(url="https://a.example", events=("image.published", "build.failed")),
        Webhook(url="https://b.example", events=("build.failed",)),
    )
    definition = replace(DEFINITION, rebuild=RebuildRules(suspend=True), notify=hooks)
    made = Registration.of_definition(definition, DIGEST, GALLERY, Policy(revision=1))
    assert (made.name, made.team, made.origin, made.major) == (make.BASE, make.TEAM, make.SOURCE, 9)
    assert (made.definition, made.bundle, made.gallery) == (DIGEST, DEFINITION.bundle, GALLERY)
    assert (made.suspend, made.notify) == (
        True,
        frozenset({"image.published", "build.failed"}),
    )
    assert (made.recipe, made.gates) == (recipe_digest(definition), str(gates_digest(definition)))
    assert made.promises == floors.kept_promises(definition)


@pytest.mark.parametrize(
    ("own", "longest", "expected"),
    [(DAY, None, DAY), (DAY, 30 * DAY, DAY), (None, 30 * DAY, 30 * DAY), (None, None, None)],
    ids=["its own", "its own before the policy's", "the policy's", "none"],
)
def test_the_policy_gives_the_longest_age_where_the_definition_names_none(
    own: timedelta | None, longest: timedelta | None, expected: timedelta | None
) -> None:
    definition = replace(DEFINITION, rebuild=RebuildRules(max_age=own))
    policy = Policy(revision=1, longest_max_age=longest)
    assert Registration.of_definition(definition, DIGEST, GALLERY, policy).max_age == expected


def test_the_etag_of_a_document_changes_with_the_document_alone() -> None:
    registration = Registration.of_definition(DEFINITION, DIGEST, GALLERY, Policy(revision=1))
    head = ImageHead(registration=registration, registered_at=make.NOW)
    assert head.document_etag == replace(head, failures=2, height=3).document_etag == str(DIGEST)
    other = replace(head, registration=replace(registration, definition=make.digest("b")))
    assert other.document_etag != head.document_etag
