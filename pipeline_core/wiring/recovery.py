"""Put the restorer together: it is needed once in a factory's life, and has parts that nobody else uses."""

from pipeline_core.ports import Galleries
from pipeline_core.services.images.register import Registrar
from pipeline_core.services.provenance.provenance import Provenance
from pipeline_core.services.recovery.image import ImageRestorer
from pipeline_core.services.recovery.lineage import LineageRestorer
from pipeline_core.services.recovery.live_versions import LiveVersions
from pipeline_core.services.recovery.lost_builds import LostBuilds
from pipeline_core.services.recovery.recover import Restorer


def restorer_of(registrar: Registrar, galleries: Galleries, provenance: Provenance) -> Restorer:
    """The restorer of what this registrar writes."""
    lost_builds = LostBuilds(blobs=registrar.blobs)
    return Restorer(
        recovery_log=registrar.recovery_log,
        galleries=galleries,
        sources=registrar.sources,
        images=ImageRestorer(
            images=registrar.images,
            index=registrar.index,
            sources=registrar.sources,
            galleries=galleries,
            documents=registrar.documents,
            versions=LiveVersions(galleries=galleries, documents=registrar.documents, provenance=provenance),
            lost_builds=lost_builds,
            recovery_log=registrar.recovery_log,
            policy=registrar.policy,
            projection=registrar.projection,
            journal=registrar.journal,
            clock=registrar.clock,
            deployment=registrar.deployment,
        ),
        lineage=LineageRestorer(
            images=registrar.images,
            index=registrar.index,
            sources=registrar.sources,
            documents=registrar.documents,
            lost_builds=lost_builds,
            projection=registrar.projection,
            clock=registrar.clock,
        ),
        policy=registrar.policy,
        poller=registrar.poller,
        deployment=registrar.deployment,
        logs=registrar.logs,
    )
