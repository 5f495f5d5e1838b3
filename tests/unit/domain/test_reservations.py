"""Who may use the name of a deleted image: the whole truth table. And when a name is free again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline_core.domain import access, reservations
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.domain.images import FormerImage
from pipeline_core.domain.names import TeamName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Principal
from tests.unit.domain import factories as make
from tests.unit.domain.factories import CHILD, NOW

PAYMENTS, EVIL = TeamName("payments"), TeamName("evil")
TEAMS = FormerImage(name=CHILD, revision=2, team=PAYMENTS)
A_BASE = replace(TEAMS, is_base=True)
UNKNOWN = FormerImage(name=CHILD, revision=2)
FREE = replace(TEAMS, is_free=True)

CALLERS = {
    "SecOps": frozenset({access.ADMIN}),
    "its team": frozenset({"Team.payments"}),
    "another team": frozenset({"Team.evil"}),
    "a reader": frozenset({access.READER}),
}
MAY = {
    "a team's": (TEAMS, {"SecOps", "its team"}),
    "a base's": (A_BASE, {"SecOps"}),
    "nobody knows whose": (UNKNOWN, {"SecOps"}),
    "free": (FREE, set(CALLERS)),
    "handed over": (reservations.hand_over(A_BASE, EVIL), {"SecOps", "another team"}),
}


def _caller(roles: frozenset[str]) -> Principal:
    teams = access.teams_of(roles, frozenset(), {})
    return Principal(subject="p", name="P", roles=roles, teams=teams)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("kind", MAY)
def test_a_name_is_for_its_team_and_secops_alone(kind: str, caller: str) -> None:
    former, allowed = MAY[kind]
    if caller in allowed:
        reservations.demand_name(former, _caller(CALLERS[caller]))
        return
    with pytest.raises(PermanentError, match="imagefactory names handover rhel9-java --to TEAM") as refused:
        reservations.demand_name(former, _caller(CALLERS[caller]))
    assert refused.value.error_class is ErrorClass.PERMISSION


@pytest.mark.parametrize(
    ("former", "text"),
    [(TEAMS, "reserved for team payments"), (A_BASE, "base image"), (UNKNOWN, "no record shows its team")],
)
def test_the_refusal_says_why(former: FormerImage, text: str) -> None:
    with pytest.raises(PermanentError, match=text):
        reservations.demand_name(former, _caller(frozenset({"Team.evil"})))


def test_a_handover_is_a_new_revision() -> None:
    new = reservations.hand_over(A_BASE, EVIL)
    assert (new.team, new.is_base, new.revision) == (EVIL, False, 3)


def test_a_name_is_free_after_two_looks_that_are_apart() -> None:
    first = reservations.observe(TEAMS, has_versions=False, now=NOW)
    assert (first.unseen_since, first.is_free) == (NOW, False)
    early = NOW + reservations.APART - timedelta(seconds=1)
    assert reservations.observe(first, has_versions=False, now=early) == first
    free = reservations.observe(first, has_versions=False, now=NOW + reservations.APART)
    assert free.is_free
    assert reservations.observe(free, has_versions=True, now=NOW) == free


def test_a_version_that_is_seen_again_begins_the_count_anew() -> None:
    first = reservations.observe(TEAMS, has_versions=False, now=NOW)
    assert reservations.observe(first, has_versions=True, now=NOW) == TEAMS


def test_what_is_kept_of_an_image_says_whose_it_was() -> None:
    head = make.head()
    kept = FormerImage.of_head(head, NOW)
    assert (kept.team, kept.is_base, kept.gallery) == (make.TEAM, True, head.registration.gallery)
    assert (kept.definition, kept.deleted_at, kept.revision) == (head.registration.definition, NOW, 1)
    assert kept.is_free  # no version was ever made
    assert not FormerImage.of_head(replace(head, last_version=GalleryVersion(9, 20261121, 1)), NOW).is_free


def test_the_name_of_an_image_with_a_parent_is_no_base_s() -> None:
    assert not FormerImage.of_head(make.head(CHILD, make.BASE), NOW).is_base
