"""Azure Blob storage: bytes that are created once and never overwritten, and deleted by ETag alone."""

import itertools
from collections.abc import Sequence

from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobClient, BlobServiceClient, ContentSettings

from pipeline_core.adapters.azure import errors
from pipeline_core.domain.errors import ErrorClass, PermanentError, StaleWrite
from pipeline_core.ports import BlobFacts

_PAGE = 1000


class AzureBlobs:
    """The containers exist already."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        """Raises AlreadyExists."""
        with errors.translated(f"create blob {container}/{name}"):
            self._client(container, name).upload_blob(
                content, overwrite=False, content_settings=ContentSettings(content_type=media_type)
            )

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        """The content. Raises NotFound, and PermanentError (POLICY) if it is larger than `limit` bytes."""
        with errors.translated(f"read blob {container}/{name}"):
            stream = self._client(container, name).download_blob(offset=0, length=limit + 1)
            content = stream.readall()
        if len(content) > limit:
            raise PermanentError(ErrorClass.POLICY, f"{container}/{name} is larger than {limit} bytes")
        return content

    def read_part(self, container: str, name: str, *, first: int, length: int) -> bytes:
        """At most `length` bytes (1 or more) from the byte `first` on; empty behind the end. Raises NotFound."""
        try:
            return self._client(container, name).download_blob(offset=first, length=length).readall()
        except AzureError as error:
            if errors.code_of(error) == "InvalidRange":
                return b""
            raise errors.translate(error, f"read blob {container}/{name}") from error

    def find_facts(self, container: str, name: str) -> BlobFacts | None:
        """Size and time of last change, or None."""
        try:
            found = self._client(container, name).get_blob_properties()
        except AzureError as error:
            if errors.is_absent(error):
                return None
            raise errors.translate(error, f"look at blob {container}/{name}") from error
        return BlobFacts(name=name, size=found.size, changed_at=found.last_modified, etag=found.etag)

    def list(self, container: str, prefix: str, *, limit: int = 1000) -> Sequence[BlobFacts]:
        """Facts of the blobs whose name begins with `prefix`, by name."""
        with errors.translated(f"list blobs {container}/{prefix}"):
            found = self._service.get_container_client(container).list_blobs(
                name_starts_with=prefix, results_per_page=min(limit, _PAGE)
            )
            return [
                BlobFacts(name=blob.name, size=blob.size, changed_at=blob.last_modified, etag=blob.etag)
                for blob in itertools.islice(found, limit)
            ]

    def delete(self, container: str, name: str, *, etag: str) -> None:
        """Delete the blob while it has this ETag. Raises StaleWrite where it is gone or was made again.

        The condition is `If-Match`, which Delete Blob honours (learn.microsoft.com/rest/api/storageservices,
        "Specifying conditional headers for Blob service operations"). A blob that is gone is answered by 412 or by 404.
        With versioning on, the content becomes a previous version; the lifecycle rule of infra/storage.tf ends those.
        """
        try:
            self._client(container, name).delete_blob(
                etag=etag, match_condition=MatchConditions.IfNotModified
            )
        except AzureError as error:
            if errors.is_absent(error):
                raise StaleWrite(f"{container}/{name} is gone") from error
            raise errors.translate(error, f"delete blob {container}/{name}") from error

    def _client(self, container: str, name: str) -> BlobClient:
        return self._service.get_blob_client(container, name)
