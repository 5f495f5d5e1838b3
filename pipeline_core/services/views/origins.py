"""Which version that was taken out, or is gone, a current version is built from. Reads, and changes nothing."""

from collections.abc import Iterator, Mapping

from pipeline_core.domain.fingerprint import BuildInputs
from pipeline_core.domain.images import ImageHead
from pipeline_core.domain.lineage import MAX_DEPTH
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.sources import ParentVersion
from pipeline_core.domain.version_records import Standing, VersionRecord
from pipeline_core.state.stores import Records


def lost(records: Records, head: ImageHead, heads: Mapping[ImageName, ImageHead]) -> Iterator[VersionRecord]:
    """The records of versions that the current one is built from and that are out or gone, the nearest first.

    `heads` are those that the caller has just read. Costs a point read for each level above the image, and another
    one for each image above it that is not among `heads`.
    """
    inputs = None if head.current is None else head.current.inputs
    for _ in range(MAX_DEPTH):
        origin = None if inputs is None else inputs.origin
        if not isinstance(origin, ParentVersion):
            return
        stored = records.versions.find(origin.image, origin.version)
        record = None if stored is None else stored.value
        if record is not None and record.standing in (Standing.EXCLUDED, Standing.GONE):
            yield record
        if record is not None and record.published is not None:
            inputs = record.published.inputs
        else:
            inputs = _inputs_of(origin, heads.get(origin.image) or _find_head(records, origin))


def _find_head(records: Records, origin: ParentVersion) -> ImageHead | None:
    stored = records.images.find_head(origin.image)
    return None if stored is None else stored.value


def _inputs_of(origin: ParentVersion, head: ImageHead | None) -> BuildInputs | None:
    """What a parent's version was built from, where it is current still."""
    current = None if head is None else head.current
    is_current = current is not None and current.version == origin.version
    return current.inputs if current is not None and is_current else None
