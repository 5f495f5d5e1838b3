"""Put together the services for poisoned messages: the recorder, and the review by people."""

from dataclasses import dataclass

from pipeline_core.services.builds.stopping import StoppingStage
from pipeline_core.services.poison.marks import PoisonMarks
from pipeline_core.services.poison.record import PoisonRecorder
from pipeline_core.services.poison.review import PoisonReview
from pipeline_core.services.poison.stuck_builds import StuckBuilds
from pipeline_core.wiring.foundation import Foundation


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonParts:
    """Both are for triggers."""

    recorder: PoisonRecorder
    review: PoisonReview


def poison_of(base: Foundation, stopping: StoppingStage) -> PoisonParts:
    """The recorder and the review, over the same records and marks. `stopping` ends builds that nobody can step."""
    records, effects = base.records, base.effects
    marks = PoisonMarks(images=records.images, projection=effects.projection)
    return PoisonParts(
        recorder=PoisonRecorder(
            effects=effects,
            store=records.poison,
            marks=marks,
            stuck=StuckBuilds(images=records.images, stopping=stopping, logs=effects.logs),
        ),
        review=PoisonReview(records=records, effects=effects, marks=marks, queues=base.ports.queues),
    )
