"""What of ARM's lists is taken for a version of ours: by its id, whatever else lies in the group."""

from types import SimpleNamespace
from typing import Any

import pytest

from pipeline_core.adapters.azure.configuration import GalleryPlace
from pipeline_core.adapters.azure.resources import AzureResources
from pipeline_core.domain.names import GalleryName

GROUP = "/subscriptions/s/resourceGroups/rg-galleries/providers/Microsoft.Compute/galleries"
TAGS = {"imagefactory-build": "rhel9-base.3fa9c1d20b77.1"}


def listing(*listed: tuple[str, dict[str, str] | None]) -> AzureResources:
    """Resources whose group holds these, by id and tags."""
    answers = [SimpleNamespace(id=each, tags=tags) for each, tags in listed]
    client: Any = SimpleNamespace(
        resources=SimpleNamespace(list_by_resource_group=lambda group, filter: iter(answers))  # noqa: A006 - the SDK's name
    )
    place = GalleryPlace(subscription_id="s", resource_group="rg-galleries", name=GalleryName("Quarantine"))
    configuration: Any = SimpleNamespace(subscription_id="s", place=lambda gallery: place)
    return AzureResources(client, configuration)


@pytest.mark.parametrize(
    ("resource", "tags", "expected"),
    [
        (f"{GROUP}/quarantine/images/rhel9-base/versions/9.20261121.1", TAGS, ["rhel9-base"]),
        (f"{GROUP}/QUARANTINE/images/rhel9-base/versions/9.20261121.1", TAGS, ["rhel9-base"]),
        (f"{GROUP}/live/images/rhel9-base/versions/9.20261121.1", TAGS, []),
        (f"{GROUP}/quarantine/images/rhel9-base/versions/9.20261121.1", {}, []),
        (f"{GROUP}/quarantine/images/rhel9-base/versions/9.20261121.1", None, []),
        (f"{GROUP}/quarantine/images/rhel9-base/versions/1.0", TAGS, []),
        (f"{GROUP}/quarantine/images/Their_Image/versions/1.0.0", TAGS, []),
        ("/odd", TAGS, []),
    ],
    ids=["ours", "another case", "live", "untagged", "no tags", "their version", "their image", "no id"],
)
def test_a_version_is_ours_by_gallery_name_and_tag(
    resource: str, tags: dict[str, str] | None, expected: list[str]
) -> None:
    found = listing((resource, tags)).list_build_versions(GalleryName("quarantine"))
    assert [str(each.image) for each in found] == expected
