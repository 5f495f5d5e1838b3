"""Which version that was taken out, or is gone, a current version is built from. Reads, and changes nothing."""

from collections.abc import Iterator

from pipeline_core.domain.fingerprint import BuildInputs
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import MAX_DEPTH
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.version_records import Standing, VersionRecord
from pipeline_core.state.stores import Records


def lost(records: Records, head: ImageHead) -> Iterator[VersionRecord]:
    """The records of versions that the current one is built from and that are out or gone, the nearest first.

    Costs at most two point reads for each level above the image.
    """
    inputs = None if head.current is None else head.current.inputs
    for _ in range(MAX_DEPTH):
        if inputs is None or not isinstance(inputs.origin, ParentVersion):
            return
        stored = records.versions.find(inputs.origin.image, inputs.origin.version)
        if stored is not None and stored.value.standing in (Standing.EXCLUDED, Standing.GONE):
            yield stored.value
        inputs = _inputs_of(records, inputs.origin, None if stored is None else stored.value)


def _inputs_of(records: Records, origin: ParentVersion, record: VersionRecord | None) -> BuildInputs | None:
    """What a parent's version was built from: it is current still, or its record says it."""
    if record is not None and record.published is not None:
        return record.published.inputs
    head = records.images.find_head(origin.image)
    current = None if head is None else head.value.current
    is_current = current is not None and current.version == origin.version
    return current.inputs if current is not None and is_current else None
