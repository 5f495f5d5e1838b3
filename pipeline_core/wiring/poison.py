"""Put together what deals with poisoned messages: who records them, and the desk where people look at them."""

from pipeline_core.ports import Chance, Clock, Logs, Queues, Tables
from pipeline_core.services.effects.journal import Journal
from pipeline_core.services.effects.outbox import Outbox
from pipeline_core.services.effects.projection import Projection
from pipeline_core.services.poison.marks import PoisonMarks
from pipeline_core.services.poison.record import Poison
from pipeline_core.services.poison.review import PoisonDesk
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
) -> tuple[Poison, PoisonDesk]:
    """The recorder and the desk, over the same records and marks."""
    store, marks = PoisonStore(tables), PoisonMarks(images=images, projection=projection)
    recorder = Poison(store=store, marks=marks, outbox=Outbox(queues), clock=clock, chance=chance, logs=logs)
    desk = PoisonDesk(
        store=store, marks=marks, images=images, queues=queues, journal=journal, clock=clock, logs=logs
    )
    return recorder, desk
