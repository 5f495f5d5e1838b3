"""Azure Resource Manager over the build resource group: what builds left, and its deletion."""

import itertools
from collections.abc import Sequence

from azure.core.exceptions import AzureError
from azure.mgmt.resource.resources import ResourceManagementClient

from pipeline_core.adapters.azure import errors
from pipeline_core.domain.errors import ErrorClass, PermanentError
from pipeline_core.ports import TaggedResource

BUILD_TAG = "imagefactory-build"
_MOST = 5000  # resources of a group that one call looks at
_API_VERSIONS = {  # of the types that Packer, its plugin and this factory create in the build group
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


class AzureResources:
    """Sees one resource group and nothing else."""

    def __init__(self, client: ResourceManagementClient, resource_group: str) -> None:
        self._client = client
        self._group = resource_group

    def list_build_resources(self) -> Sequence[TaggedResource]:
        """Every resource that carries our build tag."""
        with errors.translated(f"list resources of {self._group}"):
            # Chosen here and not by a filter: ARM leaves the tags out of a list that is filtered by tag.
            found = list(itertools.islice(self._client.resources.list_by_resource_group(self._group), _MOST))
        return [
            TaggedResource(id=str(each.id), type=str(each.type), tags=dict(each.tags))
            for each in found
            if each.tags and BUILD_TAG in each.tags
        ]

    def begin_delete(self, resource: TaggedResource) -> None:
        """Start the deletion and return; a resource that is gone already is fine."""
        version = _API_VERSIONS.get(resource.type.lower())
        if version is None:
            raise PermanentError(
                ErrorClass.TEMPLATE,
                f"no API version is known to delete {resource.type}: add it to adapters/azure/resources.py",
            )
        try:
            self._client.resources.begin_delete_by_id(resource.id, api_version=version, polling=False)
        except AzureError as error:
            if not errors.is_absent(error):
                raise errors.translate(error, f"delete {resource.id}") from error
