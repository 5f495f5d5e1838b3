"""Blob and Queue storage for the builder, with its own identity. Only this module knows Azure's SDKs.

It reads Azure's answer from an SDK's exception. `domain.cloud_errors` says what the answer means. It decides nothing
about the build.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from azure.core import MatchConditions, PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
)
from azure.core.pipeline.policies import RetryPolicy
from azure.core.rest import HttpRequest, HttpResponse
from azure.identity import (
    ClientAssertionCredential,
    CredentialUnavailableError,
    ManagedIdentityCredential,
)
from azure.storage.blob import BlobClient, BlobServiceClient, ContentSettings
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from builder.credential import Credential, ManagedIdentity, WorkloadIdentity
from pipeline_core.domain.cloud_errors import CloudAnswer, error_of
from pipeline_core.domain.errors import (
    AlreadyExists,
    ErrorClass,
    FactoryError,
    PermanentError,
    TransientError,
)

_EXCHANGE: Final = "api://AzureADTokenExchange"
_STORAGE: Final = "https://storage.azure.com/.default"
_CONNECT_SECONDS: Final = 10
_READ_SECONDS: Final = 30
_TOKEN_PAUSE_SECONDS: Final = 2.0


def credential_of(credential: Credential, client_id: str) -> TokenCredential:
    """The SDK's object that gets tokens of the builder's identity. It asks for no token yet."""
    match credential:
        case ManagedIdentity():
            return ManagedIdentityCredential(client_id=client_id)
        case WorkloadIdentity() as workload:
            return ClientAssertionCredential(workload.tenant_id, client_id, lambda: _assertion(workload))


def await_token(
    credential: TokenCredential,
    *,
    seconds: float,
    is_stopped: Callable[[], bool],
    pause: float = _TOKEN_PAUSE_SECONDS,
) -> None:
    """Wait for the first token. The identity endpoint can be ready later than the container.

    Raises TransientError (token) if no token came within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            credential.get_token(_STORAGE)
            return
        except (ClientAuthenticationError, CredentialUnavailableError, AzureError) as error:
            if time.monotonic() >= deadline or is_stopped():
                text = f"no token of the builder's identity came: {_first_line(error)}"
                raise TransientError(ErrorClass.TOKEN, text) from error
        time.sleep(pause)


def _assertion(workload: WorkloadIdentity) -> str:
    """The other issuer's token for this container, which Entra exchanges. Raises AzureError."""
    request = HttpRequest(
        "GET",
        workload.oidc_request_url,
        params={"audience": _EXCHANGE},
        headers={"Accept": "application/json", "Authorization": f"Bearer {workload.oidc_request_token}"},
    )
    client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
        workload.oidc_request_url, policies=[RetryPolicy(retry_total=2)]
    )
    with client:
        answer = client.send_request(request, connection_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS)
    try:
        value = answer.json()["value"] if answer.status_code == 200 else None
    except (ValueError, KeyError, TypeError):
        value = None
    if not isinstance(value, str) or not value:
        text = f"the issuer at IF_OIDC_REQUEST_URL answered {answer.status_code}, without a token"
        raise ClientAuthenticationError(text)
    return value


class AzureBlobs:
    """`Blobs` on one storage account. The SDK retries: every write here is safe to repeat."""

    def __init__(self, endpoint: str, credential: TokenCredential) -> None:
        self._service = BlobServiceClient(
            endpoint,
            credential=credential,
            retry_total=3,
            initial_backoff=1,
            increment_base=2,
            connection_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
        )

    def read(self, container: str, name: str, *, limit: int) -> bytes:
        """As `ports.Blobs`."""
        with _translated(f"blob {container}/{name}"):
            # The first request gives at most 32 MiB, and the whole size. No further request is sent here.
            stream = self._blob(container, name).download_blob(max_concurrency=1)
            content = stream.readall() if stream.size <= limit else None
        if content is None:
            raise PermanentError(ErrorClass.POLICY, f"blob {container}/{name} is larger than {limit} bytes")
        return content

    def create(self, container: str, name: str, content: bytes, *, media_type: str) -> None:
        """As `ports.Blobs`."""
        blob = self._blob(container, name)
        try:
            with _translated(f"blob {container}/{name}"):
                blob.upload_blob(
                    content, overwrite=False, content_settings=ContentSettings(content_type=media_type)
                )
        except AlreadyExists:
            if self.read(container, name, limit=max(len(content), 1024 * 1024)) != content:
                raise

    def create_log(self, container: str, name: str) -> None:
        """As `ports.Blobs`."""
        try:
            with _translated(f"blob {container}/{name}"):
                self._blob(container, name).create_append_blob(
                    content_settings=ContentSettings(content_type="text/plain; charset=utf-8"),
                    match_condition=MatchConditions.IfMissing,
                )
        except AlreadyExists:
            return

    def append(self, container: str, name: str, content: bytes, *, offset: int) -> None:
        """As `ports.Blobs`. The service compares the offset. So it refuses a repeated block and does not double it."""
        blob = self._blob(container, name)
        with _translated(f"blob {container}/{name}"):
            try:
                blob.append_block(content, length=len(content), appendpos_condition=offset)
            except HttpResponseError as error:
                if error.status_code != 412 or blob.get_blob_properties().size != offset + len(content):
                    raise

    def _blob(self, container: str, name: str) -> BlobClient:
        return self._service.get_blob_client(container, name)


class AzureEvents:
    """`Events` on one queue, base64 as the Functions host expects.

    Only a send that certainly did not reach the service is tried again. If only the answer was lost, the message may
    be in the queue.
    """

    def __init__(self, endpoint: str, queue: str, credential: TokenCredential) -> None:
        self._queue = QueueClient(
            endpoint,
            queue,
            credential=credential,
            message_encode_policy=TextBase64EncodePolicy(),
            retry_total=3,
            retry_read=0,
            retry_status=0,
            connection_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
        )

    def send(self, text: str) -> None:
        """As `ports.Events`."""
        with _translated("queue build-events"):
            self._queue.send_message(text)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except AzureError as error:
        raise _ours(what, error) from error


def _ours(what: str, error: AzureError) -> FactoryError:
    code = getattr(error, "error_code", None)  # where the storage SDKs keep it
    answer = CloudAnswer(
        status=error.status_code if isinstance(error, HttpResponseError) else None,
        code=str(getattr(code, "value", code) or ""),
        said=str(error),
        headers=getattr(getattr(error, "response", None), "headers", None) or {},
        no_token=isinstance(error, ClientAuthenticationError),
        exists=isinstance(error, ResourceExistsError),
    )
    ours = error_of(answer, what)
    if answer.status == HTTPStatus.NOT_IMPLEMENTED:
        # A team's template has no part in these requests, so it must not be blamed for a gateway that cannot serve one.
        return TransientError(ErrorClass.NETWORK, str(ours))
    return ours


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:500]
