"""Azure Storage queues, in base64 as the Functions host reads them. A message never expires by itself."""

import threading
from datetime import timedelta

from azure.storage.queue import QueueClient, QueueServiceClient, TextBase64EncodePolicy

from pipeline_core.adapters import limits
from pipeline_core.adapters.azure import errors

_FOREVER = -1  # time to live: a message leaves when it is handled or poisoned, never by age


class AzureQueues:
    """The queues exist already. A send whose answer was lost may have succeeded: receivers accept doubled messages."""

    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service
        self._clients: dict[str, QueueClient] = {}
        self._lock = threading.Lock()

    def send(self, queue: str, text: str, *, delay: timedelta = timedelta(0)) -> None:
        """Put a message that becomes visible after `delay`, rounded up to whole seconds."""
        limits.check_message(queue, text, delay)
        seconds = -(-delay // timedelta(seconds=1))
        with errors.translated(f"send to {queue}"):
            self._client(queue).send_message(text, visibility_timeout=seconds, time_to_live=_FOREVER)

    def _client(self, queue: str) -> QueueClient:
        with self._lock:
            if queue not in self._clients:
                self._clients[queue] = self._service.get_queue_client(
                    queue, message_encode_policy=TextBase64EncodePolicy()
                )
            return self._clients[queue]
