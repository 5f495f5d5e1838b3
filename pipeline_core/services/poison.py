"""A message that could not be handled: record it, mark what it was about, tell. Nothing disappears."""

import json
from dataclasses import dataclass

from pipeline_core.domain.errors import InvalidValue
from pipeline_core.domain.journal import Event, entry_key
from pipeline_core.domain.names import BuildId, ImageName
from pipeline_core.ports import Chance, Clock, Logs, Row, Tables, TableWrite, Verb
from pipeline_core.services.journal import Journal
from pipeline_core.services.outbox import Outbox
from pipeline_core.state import images as records
from pipeline_core.state.images import ImageStore

_TEXT_LIMIT = 8_000  # characters of the message that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """Records poisoned messages in the index's partition `poison`, newest last."""

    tables: Tables
    images: ImageStore
    outbox: Outbox
    journal: Journal
    clock: Clock
    chance: Chance
    logs: Logs

    def record(self, queue: str, text: str) -> None:
        """Keep the message; where it points at a registered image, say so in that image's journal."""
        key = entry_key(self.clock.now(), self.chance.nonce())
        row = Row(partition="poison", key=key, cells={"queue": queue, "text": text[:_TEXT_LIMIT]})
        self.tables.write("index", [TableWrite(verb=Verb.INSERT, row=row)])
        image = _image_of(text)
        self.logs.note("message-poisoned", queue=queue, record=key, image=str(image or ""))
        if image is None or self.images.find_head(image) is None:
            return
        detail = f"a message of {queue} could not be handled; it is kept as {key}: mend the cause, rebuild"
        entry = self.journal.of_image(image, Event.STALLED, detail=detail)
        self.images.commit([records.add_entry(entry)])
        self.outbox.notify(image, entry.key)


def _image_of(text: str) -> ImageName | None:
    """The image that a message points at, as far as it can be read at all."""
    try:
        fields = json.loads(text)
        if isinstance(fields, dict) and isinstance(fields.get("image"), str):
            return ImageName(fields["image"])
        if isinstance(fields, dict) and isinstance(fields.get("build"), str):
            return BuildId(fields["build"]).image
    except (ValueError, RecursionError, InvalidValue):
        return None
    return None
