"""Microsoft Defender for Storage, as a scanner: it writes its result into an index tag of the blob that it scanned.

Key and values: learn, azure/defender-for-cloud/understand-malware-scan-results. The key is "Malware Scanning scan
result" ("Malware scanning scan result" on newer pages, so case does not count); "No threats found" and "Malicious" are
results, "Not scanned" and "SAM..." texts are reasons why there is none. A blob beyond the limits of size and throughput
gets no tag at all. Reading tags needs `blobs/tags/read`, which Storage Blob Data Owner has and Contributor has not.
"""

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobServiceClient

from pipeline_core.adapters.azure import errors
from pipeline_core.domain.tools import ScanAnswer, ScanResult

NAME = "Microsoft Defender for Storage"
TAG = "Malware Scanning scan result"
_RESULTS = {"no threats found": ScanResult.CLEAN, "malicious": ScanResult.FOUND}


class DefenderScanner:
    """Reads the tag. Defender scans a blob by itself when it is written, and again when SecOps ask it to."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service

    def ask(self, container: str, name: str) -> ScanAnswer:
        """What the tag says now. Raises NotFound."""
        try:
            tags = self._service.get_blob_client(container, name).get_blob_tags()
        except AzureError as error:
            raise errors.translate(error, f"read the tags of blob {container}/{name}") from error
        said = next((value for key, value in tags.items() if key.lower() == TAG.lower()), None)
        if said is None:
            return ScanAnswer(
                result=ScanResult.UNKNOWN, scanner=NAME, detail="has not scanned the file (no tag)"
            )
        result = _RESULTS.get(said.strip().lower(), ScanResult.UNKNOWN)
        return ScanAnswer(result=result, scanner=NAME, detail=said)
