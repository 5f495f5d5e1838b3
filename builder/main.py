"""Connects the builder's parts (environment, signals, clients, folder) and runs the attempt. Decides nothing else."""

import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from builder import azure_client
from builder.attempt import Attempt, BuilderExit
from builder.credential import TokenEnded
from builder.patience import PatientBlobs, PatientEvents, RefusalWait
from builder.settings import BuilderSettings, BuilderSettingsError
from builder.stop import StopRequest
from builder.work import AttemptContext
from pipeline_core.domain.errors import FactoryError
from pipeline_core.wire.messages import BUILD_EVENTS

# The identity may be ready later than the container ("sometimes delayed", MicrosoftDocs/azure-docs issue 71206, without
# a time). A broken answer is kept for a minute by MSAL, so one minute would be one question.
_TOKEN_SECONDS = 180.0


def run(environ: Mapping[str, str]) -> BuilderExit:
    """Run the attempt that `environ` describes, up to its report."""
    stop = StopRequest()
    stop.install()
    try:
        settings = BuilderSettings.read(environ)
    except BuilderSettingsError as error:
        echo(str(error))
        return BuilderExit.UNUSABLE
    try:
        credential = azure_client.credential_of(settings.credential, settings.client_id)
        azure_client.await_token(credential, seconds=_TOKEN_SECONDS, is_stopped=lambda: stop.requested)
        with tempfile.TemporaryDirectory(prefix="imagefactory-") as folder:
            blobs = azure_client.AzureBlobs(settings.blob_endpoint, settings.token or credential)
            events = azure_client.AzureEvents(settings.queue_endpoint, BUILD_EVENTS, credential)
            wait = RefusalWait(began=time.monotonic(), is_stopped=lambda: stop.requested)
            context = AttemptContext(
                blobs=PatientBlobs(blobs, wait),
                events=PatientEvents(events, wait),
                stop=stop,
                now=now,
                echo=echo,
                environ=environ,
                folder=Path(folder),
            )
            return Attempt(settings, context).run()
    except TokenEnded as error:
        echo(f"imagefactory: nothing could be reported: {error}")
        return BuilderExit.TOKEN_ENDED
    except FactoryError as error:
        echo(f"imagefactory: nothing could be reported: {error}")
        return BuilderExit.UNREPORTED


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def echo(line: str) -> None:
    """Print a line to the container's own output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
