"""Put together what deals with poisoned messages: who records them, and the review by people."""

from pipeline_core.ports import Chance, Clock, Logs, Queues, Tables
from pipeline_core.services.effects.journal import Journal
from pipeline_core.services.effects.outbox import Outbox
from pipeline_core.services.effects.projection import Projection
from pipeline_core.services.poison.marks import PoisonMarks
from pipeline_core.services.poison.record import Poison
from pipeline_core.services.poison.review import PoisonReview
from pipeline_core.state.images import ImageStore
from pipeline_core.state.poison import PoisonStore


def poison_of(
    *,
    tables: Tables,
    queues: Queues,
    images: ImageStore,
    projection: Projection,
    journal: Journal,
    clock: Clock,
    chance: Chance,
    logs: Logs,
) -> tuple[Poison, PoisonReview]:
    """The recorder and the review, over the same records and marks."""
    store, marks = PoisonStore(tables), PoisonMarks(images=images, projection=projection)
    recorder = Poison(store=store, marks=marks, outbox=Outbox(queues), clock=clock, chance=chance, logs=logs)
    review = PoisonReview(
        store=store, marks=marks, images=images, queues=queues, journal=journal, clock=clock, logs=logs
    )
    return recorder, review
