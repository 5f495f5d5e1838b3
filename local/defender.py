"""Microsoft Defender for Storage, as far as our storage shows it: an index tag on each blob that was scanned.

Defender scans a blob when it is written, by itself, and writes the result into the tag "Malware Scanning scan result"
(learn, azure/defender-for-cloud/understand-malware-scan-results). What it finds here
is the test file of the EICAR, as on Azure. Azurite has no such service, so this looks at containers in turns.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient

RESULT, TIME = "Malware Scanning scan result", "Malware Scanning scan time UTC"
CLEAN, MALICIOUS, NOT_SCANNED = "No threats found", "Malicious", "Not scanned"
CONTAINERS = ("catalog-quarantine", "catalog")
# In two parts, so that no scanner of a workstation takes this module for the file itself.
TEST_FILE = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
_LIMIT = 64 * 1024 * 1024  # bytes that are looked at; a larger blob is not scanned, as beyond Azure's limits


@dataclass(slots=True, kw_only=True)
class Defender:
    """`scan` is one round. A blob is scanned once for each ETag; setting a tag does not change it."""

    service: BlobServiceClient
    containers: Sequence[str] = CONTAINERS
    now: Callable[[], datetime] = field(default=lambda: datetime.now(tz=UTC))
    _seen: dict[tuple[str, str], str] = field(default_factory=dict)

    def scan(self) -> int:
        """How many blobs got a tag."""
        return sum(self._scan_container(name) for name in self.containers)

    def _scan_container(self, container: str) -> int:
        count = 0
        for blob in self.service.get_container_client(container).list_blobs():
            if self._seen.get((container, blob.name)) == blob.etag:
                continue
            client = self.service.get_blob_client(container, blob.name)
            result = NOT_SCANNED
            if blob.size <= _LIMIT:
                content = client.download_blob().readall()
                result = MALICIOUS if TEST_FILE in content else CLEAN
            client.set_blob_tags({RESULT: result, TIME: f"{self.now():%Y-%m-%d %H:%M:%SZ}"})
            self._seen[container, blob.name] = blob.etag
            count += 1
        return count

    @contextmanager
    def watching(self, *, every: float) -> Iterator[None]:
        """Scan again and again, `every` so many seconds, until the end."""
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(every):
                try:
                    self.scan()
                except AzureError:  # a blob went meanwhile, or storage ends: the next round looks again
                    continue

        thread = threading.Thread(target=watch, name="defender")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
