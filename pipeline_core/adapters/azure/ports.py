"""Every port with Azure behind it. An import of this module loads the SDKs."""

from pathlib import Path

from azure.core.credentials import TokenCredential

from pipeline_core import telemetry
from pipeline_core.adapters.azure.blobs import AzureBlobs
from pipeline_core.adapters.azure.clients import Clients
from pipeline_core.adapters.azure.configuration import Configuration, Configured
from pipeline_core.adapters.azure.containers import AzureContainers
from pipeline_core.adapters.azure.entra_id.tokens import EntraTokens
from pipeline_core.adapters.azure.galleries import AzureGalleries
from pipeline_core.adapters.azure.marketplace import AzureMarketplaceOffers
from pipeline_core.adapters.azure.queues import AzureQueues
from pipeline_core.adapters.azure.resources import AzureResources
from pipeline_core.adapters.azure.scanner import DefenderScanner
from pipeline_core.adapters.azure.secrets import AzureSecrets
from pipeline_core.adapters.azure.signing import KeyPlace, KeyVaultSigner
from pipeline_core.adapters.azure.tables import AzureTables
from pipeline_core.adapters.azure.web import HttpsWeb
from pipeline_core.adapters.elsewhere import ScannedElsewhere
from pipeline_core.adapters.key_file import KeyFileSigner
from pipeline_core.adapters.reads import ThreadedReads
from pipeline_core.adapters.system import SystemChance, SystemClock
from pipeline_core.ports import Clock, Ports, Signer


def connect(settings: Configured, credential: TokenCredential | None = None) -> Ports:
    """The adapters of this process. Nothing is called yet: a service that is down fails at its first use."""
    telemetry.configure()
    place = settings.azure()
    clients = Clients(place, credential)
    clock, chance, web = SystemClock(), SystemChance(), HttpsWeb(place.ca_file)
    return Ports(
        clock=clock,
        chance=chance,
        reads=ThreadedReads(),
        logs=telemetry.StructuredLogs(),
        tables=AzureTables(clients.tables, chance),
        queues=AzureQueues(clients.queues),
        blobs=AzureBlobs(clients.blobs),
        scanner=ScannedElsewhere() if place.tools_scanned_elsewhere else DefenderScanner(clients.blobs),
        marketplace=AzureMarketplaceOffers(clients.compute(place.subscription_id)),
        galleries=AzureGalleries(clients.compute, clients.publisher, clients.cleaner, place),
        containers=AzureContainers(clients.containers, place),
        resources=AzureResources(clients.resources, place, clients.resources_of),
        secrets=AzureSecrets(clients.secrets),
        signer=_signer(place, clients, clock),
        web=web,
        tokens=EntraTokens(
            web,
            clock,
            authority=place.authority,
            tenant=place.tenant_id,
            audience=place.audience,
            team_groups=place.team_groups,
            versions=place.token_versions,
        ),
    )


def _signer(place: Configuration, clients: Clients, clock: Clock) -> Signer:
    if place.signing_key_file:
        return KeyFileSigner(Path(place.signing_key_file))
    key = KeyPlace.parse(place.signing_key)
    return KeyVaultSigner(clients.keys(key.vault), clients.cryptography, key, clock)
