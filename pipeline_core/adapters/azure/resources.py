"""Azure Resource Manager: leftovers of builds in the build group and in galleries, and deletion in the build group.

It lists by resource group, one request for each 1,000 resources. Those lists come from ARM's own cache: they
may show a deleted resource, and may not show a new one yet. Versions are listed for the whole group of a
gallery, because Azure has no list of a gallery's versions across images. A subscription holds at most 10,000
versions per region, so this costs about ten requests at most.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence

from azure.core.exceptions import AzureError
from azure.mgmt.resource.resources import ResourceManagementClient

from pipeline_core.adapters.azure import errors
from pipeline_core.adapters.azure.configuration import Configuration
from pipeline_core.domain.attempts import BUILD_TAG
from pipeline_core.domain.errors import ErrorClass, InvalidValue, PermanentError, TransientError
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import TaggedResource, TaggedVersion

_MOST = 5_000  # resources of the build group that one list reads
_MOST_VERSIONS = 20_000  # versions that one list reads: twice the limit of one region
_VERSIONS = "resourceType eq 'Microsoft.Compute/galleries/images/versions'"
_API_VERSIONS = {  # for the types that Packer, its plugin and this factory create in the build group
    "microsoft.compute/disks": "2024-03-02",
    "microsoft.compute/images": "2024-07-01",
    "microsoft.compute/snapshots": "2024-03-02",
    "microsoft.compute/virtualmachines": "2024-07-01",
    "microsoft.containerinstance/containergroups": "2023-05-01",
    "microsoft.keyvault/vaults": "2023-07-01",
    "microsoft.network/networkinterfaces": "2024-05-01",
    "microsoft.network/networksecuritygroups": "2024-05-01",
    "microsoft.network/publicipaddresses": "2024-05-01",
    "microsoft.network/virtualnetworks": "2024-05-01",
}
_IN_USE = frozenset(  # the network service uses it for "later", with status 400, which otherwise means never
    {
        "InUseNetworkSecurityGroupCannotBeDeleted",
        "InUseSubnetCannotBeDeleted",
        "NicInUse",
        "PublicIPAddressCannotBeDeleted",
    }
)


class AzureResources:
    """Sees the build group and the galleries of the settings. Deletes in the build group only."""

    def __init__(
        self,
        client: ResourceManagementClient,
        configuration: Configuration,
        elsewhere: Callable[[str], ResourceManagementClient] | None = None,
    ) -> None:
        """`elsewhere` gives the client of another subscription, for galleries that are there."""
        self._client = client
        self._configuration = configuration
        self._elsewhere = elsewhere

    def list_build_resources(self) -> Sequence[TaggedResource]:
        """The resources of the build resource group with our build tag, container groups too."""
        group = self._configuration.build_resource_group
        with errors.translated(f"list resources of {group}"):
            # Selected here and not by a filter: ARM leaves the tags out of a list that is filtered by tag.
            listed = list(itertools.islice(self._client.resources.list_by_resource_group(group), _MOST))
        return [
            TaggedResource(id=str(each.id), type=str(each.type), tags=dict(each.tags))
            for each in listed
            if each.tags and BUILD_TAG in each.tags
        ]

    def list_build_versions(self, gallery: GalleryName) -> Sequence[TaggedVersion]:
        """The versions of a gallery, of every image in it, with our build tag."""
        place = self._configuration.place(gallery)
        client = self._client
        if place.subscription_id != self._configuration.subscription_id:
            if self._elsewhere is None:
                raise PermanentError(
                    ErrorClass.TEMPLATE,
                    f"versions of {gallery} cannot be listed: it must be in the factory's own subscription",
                )
            client = self._elsewhere(place.subscription_id)
        with errors.translated(f"list versions of {gallery}"):
            listed = client.resources.list_by_resource_group(place.resource_group, filter=_VERSIONS)
            found = list(itertools.islice(listed, _MOST_VERSIONS))
        named = _versions((str(each.id), dict(each.tags or {})) for each in found)
        return [each for each in named if str(each.gallery).lower() == str(place.name).lower()]

    def begin_delete(self, resource: TaggedResource) -> None:
        """Start the deletion and return. A resource that is gone is not an error. CONFLICT while it is in use."""
        version = _API_VERSIONS.get(resource.type.lower())
        if version is None:
            raise PermanentError(
                ErrorClass.TEMPLATE,
                f"no API version is known to delete {resource.type}: add it to adapters/azure/resources.py",
            )
        try:
            self._client.resources.begin_delete_by_id(resource.id, api_version=version, polling=False)
        except AzureError as error:
            if errors.is_absent(error):
                return
            if errors.code_of(error) in _IN_USE:
                text = f"delete {resource.id}: it is in use ({errors.code_of(error)})"
                raise TransientError(ErrorClass.CONFLICT, text) from error
            raise errors.translate(error, f"delete {resource.id}") from error


def _versions(listed: Iterable[tuple[str, dict[str, str]]]) -> list[TaggedVersion]:
    """The versions whose names this factory could have given: `.../galleries/G/images/I/versions/V`."""
    found = []
    for resource, tags in listed:
        parts = resource.split("/")
        if BUILD_TAG not in tags or len(parts) < 6:
            continue
        try:
            version = TaggedVersion(
                gallery=GalleryName(parts[-5]),
                image=ImageName(parts[-3]),
                version=GalleryVersion.parse(parts[-1]),
                tags=tags,
            )
        except InvalidValue:
            continue
        found.append(version)
    return found
