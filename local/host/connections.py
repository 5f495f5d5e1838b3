"""Queue clients from connection settings, by managed identity, as the real host reads them.

`<connection>__queueServiceUri` names the service and `<connection>__clientId` the identity. Connection strings with
keys are not supported, because nothing here has a key. If FACTORY_CA_FILE is set, it is trusted in place of the public
authorities.
"""

from collections.abc import Mapping

from azure.identity import ManagedIdentityCredential
from azure.storage.queue import QueueServiceClient

from local.host.errors import HostError

_CONNECT_SECONDS = 5
_READ_SECONDS = 30


def open_queue_service(connection: str, environment: Mapping[str, str], place: str) -> QueueServiceClient:
    """The queue service of a connection. Raises HostError, which names `place`, if its setting is missing."""
    setting = f"{connection}__queueServiceUri"
    address = environment.get(setting, "").rstrip("/")
    if not address:
        raise HostError(f"{place} uses the connection {connection}, and there is no setting {setting}")
    return QueueServiceClient(
        address,
        credential=ManagedIdentityCredential(client_id=environment.get(f"{connection}__clientId") or None),
        connection_verify=environment.get("FACTORY_CA_FILE") or True,
        connection_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retry_total=0,  # the listener has its own back-off; a second receive would hide messages
    )
