"""Who did something: what is unique, what stays, and what a name may hold."""

import pytest

from pipeline_core.domain import actors
from pipeline_core.domain.actors import Actor
from pipeline_core.ports import Principal


def test_a_person_is_an_object_id_of_a_tenant() -> None:
    ada = Principal(subject="1111", name="Ada", tenant="2222", client="3333").actor
    assert ada == Actor(name="Ada", identity="user:1111@2222")


def test_an_application_is_its_application_id() -> None:
    tool = Principal(subject="1111", name="CI", tenant="2222", client="3333", is_application=True)
    assert tool.actor.identity == "application:3333@2222"


def test_two_people_of_one_name_are_two_actors() -> None:
    first, second = (Principal(subject=each, name="SecOps operator", tenant="t").actor for each in "ab")
    assert first.name == second.name
    assert first.identity != second.identity


def test_a_part_of_the_factory_has_no_identity() -> None:
    assert actors.actor_of("factory") == Actor(name="factory", identity=None)
    ada = Actor(name="Ada", identity="user:1@2")
    assert actors.actor_of(ada) is ada


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada\n\tLovelace ", "Ada\ufffd\ufffdLovelace"),
        ("Zo\u00eb \u6797", "Zo\u00eb \u6797"),
        ("a\x1b[2Jb", "a\ufffd[2Jb"),
        ("a\u202eb\u2066c\u200fd", "a\ufffdb\ufffdc\ufffdd"),
        ("a\u200bb\ufeffc", "a\ufffdb\ufffdc"),
        ("a\ud800b", "a\ufffdb"),
        ("x" * 100, "x" * 100),
        ("x" * 9_000, "x" * 99 + "\u2026"),
    ],
    ids=ascii,
)
def test_a_name_is_bounded_and_hides_nothing(name: str, shown: str) -> None:
    assert Principal(subject="s", name=name).actor.name == shown


def test_without_a_name_the_identity_is_shown() -> None:
    assert Principal(subject="s", name=" ", tenant="t").actor.name == "user:s@t"
