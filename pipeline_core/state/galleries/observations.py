"""How far the look at the galleries has come, and which images differ: two rows of the index."""

from dataclasses import dataclass

from pipeline_core.domain.observed import Suspects
from pipeline_core.ports import Tables
from pipeline_core.state.index import TABLE
from pipeline_core.state.reading.reader import Reader
from pipeline_core.state.records import Codec, Stored

_PARTITION = "observed"


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryRound:
    """`after` is the last image that this round has looked at. `seen` counts its images, `size` those of the last.

    `deleted` is the last deleted image that was looked at; these have rounds of their own.
    """

    after: str = ""
    seen: int = 0
    size: int = 0
    deleted: str = ""


ROUNDS = Codec(GalleryRound)
SUSPECTS = Codec(Suspects)


class ObservationStore:
    """Point reads and conditional writes. A row that is absent reads as an empty one, with the ETag ""."""

    def __init__(self, tables: Tables, reader: Reader | None = None) -> None:
        self._tables = tables
        self._reader = reader or Reader()

    def find_round(self) -> Stored[GalleryRound]:
        """The present round."""
        row = self._tables.find(TABLE, _PARTITION, "round")
        return self._reader.found(TABLE, row, ROUNDS) or Stored(value=GalleryRound(), etag="")

    def save_round(self, value: GalleryRound, *, etag: str) -> None:
        """Insert (`etag` empty) or replace. Raises AlreadyExists or StaleWrite."""
        self._tables.write(TABLE, [ROUNDS.write(_PARTITION, "round", value, etag=etag or None)])

    def find_suspects(self) -> Stored[Suspects]:
        """The images that differ."""
        row = self._tables.find(TABLE, _PARTITION, "suspects")
        return self._reader.found(TABLE, row, SUSPECTS) or Stored(value=Suspects(), etag="")

    def save_suspects(self, value: Suspects, *, etag: str) -> None:
        """Insert (`etag` empty) or replace. Raises AlreadyExists or StaleWrite."""
        self._tables.write(TABLE, [SUSPECTS.write(_PARTITION, "suspects", value, etag=etag or None)])
