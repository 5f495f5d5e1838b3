"""Live versions without proof, each with the alarm that was raised, so that each alarm is raised once."""

from dataclasses import dataclass, replace

from pipeline_core.domain.errors import AlreadyExists, StaleWrite
from pipeline_core.domain.journal import Entry
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import Tables
from pipeline_core.state import images
from pipeline_core.state.reading.etags import written
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprovenVersion:
    """`entry` is the key of the journal's line about the version. The flag is true once the notification was sent."""

    image: ImageName
    version: GalleryVersion
    entry: str
    told: bool = False  # the stored name


UNPROVEN = Codec(UnprovenVersion)


class UnprovenStore:
    """A row beside the image's other ones, whether the image is registered or not."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def raise_once(
        self, image: ImageName, version: GalleryVersion, entry: Entry
    ) -> Stored[UnprovenVersion] | None:
        """Write `entry` to the journal unless the version has its own.

        Gives the record whose notification must still be sent, or None.
        """
        known = self._find(image, version)
        if known is None:
            record = UnprovenVersion(image=image, version=version, entry=entry.key)
            writes = [
                UNPROVEN.write(str(image), _key(version), record, etag=None),
                images.add_entry(entry),
            ]
            try:
                etags = written(writes, self._tables.write(images.TABLE, writes))
                return Stored(value=record, etag=etags[0])
            except AlreadyExists:
                known = self._find(image, version)
        return None if known is None or known.value.told else known

    def note_sent(self, record: Stored[UnprovenVersion]) -> None:
        """Note that the notification was sent. Another caller may have noted it already."""
        sent = replace(record.value, told=True)
        try:
            self._tables.write(
                images.TABLE,
                [UNPROVEN.write(str(sent.image), _key(sent.version), sent, etag=record.etag)],
            )
        except StaleWrite:
            return

    def _find(self, image: ImageName, version: GalleryVersion) -> Stored[UnprovenVersion] | None:
        row = self._tables.find(images.TABLE, str(image), _key(version))
        return self._reader.found(images.TABLE, row, UNPROVEN)


def _key(version: GalleryVersion) -> str:
    return f"unproven:{version}"
