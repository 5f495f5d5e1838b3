"""Azure Blob storage: bytes that are created once, never overwritten, deleted by ETag; tokens for single blobs.

A token is a user delegation SAS (learn, rest/api/storageservices/create-user-delegation-sas): signed with a key of at
most 7 days that Entra gives for this identity, valid as far as this identity itself has the right, and allowed while
shared keys are off. Scope `sr=b` is one blob. `sr=d`, one folder, exists only in an account with a hierarchical
namespace, which has no versions of blobs (ADR 33).
"""

import itertools
import secrets
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContentSettings,
    UserDelegationKey,
    generate_blob_sas,
)

from pipeline_core.adapters.azure import errors
from pipeline_core.domain.blob_rights import BlobPlace, BlobRight, BlobRights, BlobToken
from pipeline_core.domain.errors import ErrorClass, PermanentError, StaleWrite
from pipeline_core.ports import BlobFacts

_PAGE = 1000
_SKEW = timedelta(minutes=15)  # the documented allowance for clocks of others (learn, sas-best-practices)
_KEY_LIFE = timedelta(hours=24)  # beyond the first token: so one request serves a day's builds


class AzureBlobs:
    """The containers exist already."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service
        self._key: UserDelegationKey | None = None
        self._key_until: datetime | None = None
        self._lock = threading.Lock()

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        """Raises AlreadyExists."""
        with errors.translated(f"create blob {container}/{name}"):
            self._client(container, name).upload_blob(
                content, overwrite=False, content_settings=ContentSettings(content_type=media_type)
            )

    def create_from(self, container: str, name: str, parts: Iterable[bytes], *, media_type: str) -> None:
        """As `create`, from at most 50,000 parts. Blocks that are never committed end by themselves after a week.

        The condition of the commit is `If-None-Match: *` (learn, rest/api/storageservices/put-block-list). Each call
        has block ids of its own: two calls for one name must not stage over each other's blocks.
        """
        client, blocks, own = self._client(container, name), [], secrets.token_hex(8)
        for number, part in enumerate(parts):
            block = f"{own}{number:08d}"
            with errors.translated(f"stage a block of blob {container}/{name}"):
                client.stage_block(block, part)
            blocks.append(BlobBlock(block_id=block))
        with errors.translated(f"create blob {container}/{name}"):
            client.commit_block_list(
                blocks,
                content_settings=ContentSettings(content_type=media_type),
                match_condition=MatchConditions.IfMissing,
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

    def delegate(self, rights: BlobRights, *, now: datetime, until: datetime) -> BlobToken:
        """A token with these rights, which ends at `until`, at most 7 days from `now`."""
        with errors.translated("get a key to delegate rights on blobs"):
            key = self._key_for(now, until)
        account = str(self._service.account_name)
        signed = {
            place: self._signed(account, key, place, allowed, until) for place, allowed in rights.items()
        }
        shared = frozenset.intersection(*(frozenset(parts) for parts in signed.values()))
        own = {
            place: urlencode([each for each in parts if each not in shared])
            for place, parts in signed.items()
        }
        return BlobToken(until=until, shared=urlencode(sorted(shared)), own=own)

    def _key_for(self, now: datetime, until: datetime) -> UserDelegationKey:
        """The key that signs, kept in memory only, as long as it outlives the token."""
        with self._lock:
            if self._key is None or self._key_until is None or self._key_until < until:
                ends = until + _KEY_LIFE
                self._key = self._service.get_user_delegation_key(now - _SKEW, ends)
                self._key_until = ends
            return self._key

    def _signed(
        self,
        account: str,
        key: UserDelegationKey,
        place: BlobPlace,
        allowed: frozenset[BlobRight],
        until: datetime,
    ) -> Sequence[tuple[str, str]]:
        query = generate_blob_sas(
            account,
            place.container,
            place.name,
            user_delegation_key=key,
            permission=BlobSasPermissions(
                read=BlobRight.READ in allowed,
                create=BlobRight.CREATE in allowed,
                add=BlobRight.APPEND in allowed,
            ),
            expiry=until,
            protocol="https",
        )
        return parse_qsl(query, strict_parsing=True)

    def _client(self, container: str, name: str) -> BlobClient:
        return self._service.get_blob_client(container, name)
