"""The tags of SecOps: what Azure and Packer permit, and no collision with ours."""

import pytest

from pipeline_core.domain import attempts, resource_tags

TOO_MANY = {f"tag-{number}": "x" for number in range(31)}


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"cost-centre": "4711", "Owner e-mail": "team@example.com", "ort": "Zürich & Söhne 100% $5 <x>"},
        {"a" * 512: "b" * 256},
        {"empty": ""},
        {f"tag-{number}": "x" for number in range(30)},
    ],
)
def test_what_azure_permits_is_permitted(tags: dict[str, str]) -> None:
    assert resource_tags.problem_of(tags) == ""


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (TOO_MANY, "has 31 tags"),
        ({"": "x"}, "no good name"),
        ({" a": "x"}, "no good name"),
        ({"a" * 513: "x"}, "no good name"),
        ({"a\tb": "x"}, "character in its name"),
        *(({f"a{each}b": "x"}, "character in its name") for each in "<>%&\\?/{}"),
        ({"Microsoft.x": "x"}, "Azure's own tags"),
        ({"azure": "x"}, "Azure's own tags"),
        ({"windowsy": "x"}, "Azure's own tags"),
        ({"ImageFactory-build": "x"}, "factory's own tags"),
        ({"PlanInfo": "x"}, "images with a plan"),
        ({"a": "x", "A": "y"}, "given twice"),
        ({"a": "b" * 257}, "257 characters"),
        *(({"a": f"x{each}"}, "Packer would evaluate") for each in ("{", "}", "\n")),
    ],
)
def test_what_azure_or_packer_would_refuse_is_refused_with_a_remedy(tags: dict[str, str], said: str) -> None:
    problem = resource_tags.problem_of(tags)
    assert said in problem
    assert ":" in problem  # the remedy


def test_there_is_room_for_all_of_ours_and_for_those_of_a_plan() -> None:
    ours = [name for name in vars(attempts) if name.endswith("_TAG")]
    assert resource_tags.LIMIT + len(ours) + 4 <= 50
