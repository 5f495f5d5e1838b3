"""Lists as Azure prints them: whole names, filters, tags, pages; and tags as a resource of their own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from local.arm import launch
from tests.local.arm.rules.conftest import Ask
from tests.local.arm.rules.test_galleries import GOOD, HERE, HOME

Names = Callable[[str], set[str]]


@pytest.fixture
def names(ask: Ask, arm: launch.RunningArm) -> Iterator[Names]:
    """The names of a list with a filter. There are a definition, and a tagged gallery and interface."""
    interface = "rg-build/providers/Microsoft.Network/networkInterfaces/listed"
    gallery = "rg-gallery/providers/Microsoft.Compute/galleries/listed"
    made = {
        f"{HOME}/images/listed": GOOD,
        gallery: {**HERE, "tags": {"Team": "base"}},
        interface: {**HERE, "tags": {"team": "other"}, "properties": {}},
    }
    for path, body in made.items():
        assert ask("PUT", path, body).status == 201

    def found(text: str) -> set[str]:
        seen = ask("GET", f"/subscriptions/{arm.subscription_id}/resources?$filter={text}")
        assert seen.status == 200, seen.body
        return {each["name"] for each in seen.body["value"]}

    yield found
    for path in made:
        ask("DELETE", path)


def test_a_child_is_listed_with_the_names_of_its_parents(names: Names) -> None:
    assert {"live", "live/listed", "listed"} <= names("")


@pytest.mark.parametrize(
    ("text", "there", "gone"),
    [
        ("resourceGroup eq 'RG-gallery'", {"live", "live/listed"}, set()),
        ("resourceGroup ne 'rg-gallery'", {"listed"}, {"live", "live/listed"}),
        ("resourceType eq 'microsoft.compute/galleries/images'", {"live/listed"}, {"live", "listed"}),
        ("name eq 'live/listed'", {"live/listed"}, {"live", "listed"}),
        ("location eq 'northeurope'", set(), {"live"}),
        ("resourceType eq 'Microsoft.Compute/galleries' and name eq 'live'", {"live"}, {"quarantine"}),
        ("tagName eq 'TEAM'", {"listed"}, {"live"}),
        ("tagName eq 'team' and tagValue eq 'base'", {"listed"}, {"live"}),
        ("tagName eq 'team' and tagValue eq 'BASE'", set(), {"listed"}),
    ],
)
def test_a_list_is_filtered_as_azure_filters(
    names: Names, text: str, there: set[str], gone: set[str]
) -> None:
    found = names(text)
    assert there <= found
    assert not gone & found


def test_a_list_that_is_filtered_by_tag_has_no_tags(ask: Ask, arm: launch.RunningArm, names: Names) -> None:
    home = f"/subscriptions/{arm.subscription_id}/resources"
    assert all("tags" not in each for each in ask("GET", f"{home}?$filter=tagName eq 'team'").body["value"])
    assert any(each["tags"] == {"Team": "base"} for each in ask("GET", home).body["value"])


def test_groups_are_listed_by_tag(ask: Ask, arm: launch.RunningArm) -> None:
    home = f"/subscriptions/{arm.subscription_id}/resourceGroups"
    assert ask("PUT", "rg-tagged", {**HERE, "tags": {"Team": "base"}}).status == 201
    for text, found in (
        ("tagName eq 'team' and tagValue eq 'base'", ["rg-tagged"]),
        ("tagName eq 'none'", []),
    ):
        assert [each["name"] for each in ask("GET", f"{home}?$filter={text}").body["value"]] == found
    assert ask("GET", f"{home}?$filter=name eq 'rg-tagged'").status == 501
    ask("DELETE", "rg-tagged")


@pytest.mark.parametrize("text", ["substringof('live', name)", "plan eq 'x'", "name gt 'a'"])
def test_another_filter_is_a_loud_501(ask: Ask, arm: launch.RunningArm, text: str) -> None:
    seen = ask("GET", f"/subscriptions/{arm.subscription_id}/resources?$filter={text}")
    assert (seen.status, seen.code) == (501, "NotEmulated")
    assert text in seen.message


def test_tags_are_a_resource_of_their_own(ask: Ask) -> None:
    gallery = "rg-gallery/providers/Microsoft.Compute/galleries/quarantine"
    for owner in ("rg-build", gallery):
        tags = f"{owner}/providers/Microsoft.Resources/tags/default"

        def change(operation: str, given: dict[str, str], tags: str = tags) -> Any:
            body = {"operation": operation, "properties": {"tags": given}}
            return ask("PATCH", tags, body).body["properties"]["tags"]

        assert ask("PUT", tags, {"properties": {"tags": {"a": "1"}}}).status == 200
        assert change("Merge", {"b": "2"}) == {"a": "1", "b": "2"}
        assert change("Delete", {"A": ""}) == {"b": "2"}
        assert change("Replace", {"c": "3"}) == {"c": "3"}
        assert ask("GET", owner).body["tags"] == {"c": "3"}
        assert ask("PATCH", tags, {"operation": "Invent", "properties": {"tags": {}}}).status == 400
        assert ask("DELETE", tags).status == 200
        assert ask("GET", owner).body["tags"] == {}


def test_a_vault_lists_its_keys_and_secrets_in_pages_of_25_without_values(arm: launch.RunningArm) -> None:
    for number in range(30):
        arm.ask("POST", "secrets", {"name": f"paged-{number:02}", "value": "hidden"})
    headers = {"Authorization": f"Bearer {arm.token('ada', 'https://vault.azure.net')}"}
    with requests.Session() as session:
        session.trust_env = False
        session.verify = str(arm.ca_file)
        first = session.get(f"{arm.vault}/secrets?api-version=7.4", headers=headers, timeout=5)
        second = session.get(first.json()["nextLink"], headers=headers, timeout=5)
        keys = session.get(f"{arm.vault}/keys?api-version=7.4", headers=headers, timeout=5).json()["value"]
        missing = session.get(f"{arm.vault}/keys", headers=headers, timeout=5)
    assert len(first.json()["value"]) == 25
    listed = [each["id"] for page in (first, second) for each in page.json()["value"]]
    assert len({each for each in listed if "/paged-" in each}) == 30
    assert "hidden" not in first.text + second.text
    assert f"{arm.vault}/keys/provenance" in {each["kid"] for each in keys}
    assert missing.json()["error"]["code"] == "MissingApiVersionParameter"
