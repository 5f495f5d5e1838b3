"""Bring every file of a catalog that the factory does not hold; one that fails stops no other."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from imagefactory.client import Client
from imagefactory.connection import Json
from imagefactory.failures import CommandFailure, CommandRefused, Unreachable
from imagefactory.waiting import Patience
from pipeline_core.guard.catalog import CatalogEntry

_TIMEOUT = (10.0, 300.0)  # seconds to connect, and until the next byte goes

Find = Callable[[CatalogEntry], Path]  # the file, with the right content


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtTool:
    """What became of one entry. `is_wrong` where a person must act."""

    entry: CatalogEntry
    outcome: str
    is_wrong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Asks the factory about each file, and brings those that it wants."""

    client: Client
    find: Find
    report: Callable[[str], None]

    def bring(self, entries: Sequence[CatalogEntry]) -> Iterator[BroughtTool]:
        """What became of each entry, one by one."""
        known = _states(self.client.list_tools())
        for entry in entries:
            try:
                yield self._bring(entry, known.get(entry.sha256))
            except CommandFailure as error:
                yield BroughtTool(entry=entry, outcome=str(error), is_wrong=True)

    def await_all(self, entries: Sequence[CatalogEntry], patience: Patience) -> list[BroughtTool]:
        """The entries as soon as each is admitted or refused. Raises Unreachable where the patience ends before."""
        until = time.monotonic() + patience.limit
        while True:
            known = _states(self.client.list_tools())
            states = [(entry, known.get(entry.sha256)) for entry in entries]
            if all(record and record["state"] in ("admitted", "refused") for _, record in states):
                return [_told(entry, record) for entry, record in states if record]
            if time.monotonic() >= until:
                waiting = [
                    entry.id for entry, record in states if not record or record["state"] != "admitted"
                ]
                are = "are" if len(waiting) > 1 else "is"
                raise Unreachable(
                    f"{', '.join(waiting)} {are} not admitted after {patience.limit:g} s: `imagefactory catalog list`"
                    " says why"
                )
            time.sleep(patience.every)

    def _bring(self, entry: CatalogEntry, record: Json | None) -> BroughtTool:
        if record is not None and record["state"] in ("admitted", "refused", "quarantined"):
            return _told(entry, record)
        file = self.find(entry)
        offer = self.client.submit_tool(entry.sha256)
        if offer["address"] is None:
            return _told(entry, offer["record"])
        size = file.stat().st_size
        self.report(f"{entry.id}: uploading {size:,} bytes")
        self._upload(entry, file, offer["address"])
        if file.suffix == ".part":
            file.unlink(missing_ok=True)
        return BroughtTool(entry=entry, outcome="brought; the factory looks at it within minutes")

    def _upload(self, entry: CatalogEntry, file: Path, address: str) -> None:
        """One Put Blob. The address is a secret, so no message has it."""
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "If-None-Match": "*",
            "Content-Type": "application/octet-stream",
        }
        try:
            with file.open("rb") as stream, requests.Session() as session:
                session.trust_env = False  # a proxy would see the address, and .netrc is not for it
                answer = session.put(
                    address,
                    data=stream,
                    headers=headers,
                    timeout=_TIMEOUT,
                    allow_redirects=False,
                    verify=self.client.ca_file or True,
                )
        except requests.exceptions.RequestException as error:
            raise Unreachable(
                f"{entry.id}: the factory's storage does not take the file ({type(error).__name__}): run the command"
                " on a machine that reaches the storage account, for example a runner in its network"
            ) from None
        if answer.status_code == 201:
            return
        if answer.status_code in (403, 409) and self.client.submit_tool(entry.sha256)["address"] is None:
            return  # an upload before this one has done it, and its answer was lost
        code = answer.headers.get("x-ms-error-code") or "no code"
        raise CommandRefused(
            f"{entry.id}: the factory's storage refused the file ({answer.status_code}, {code})"
        )


def _states(tools: Sequence[Json]) -> Mapping[str, Json]:
    return {each["sha256"]: each["record"] for each in tools if each["record"]}


def _told(entry: CatalogEntry, record: Json) -> BroughtTool:
    state, reason = record["state"], record["reason"]
    if state == "refused":
        text = (
            f"refused: {reason}; pin another file, or run"
            f" `imagefactory catalog remove {entry.sha256} --reason TEXT` if the finding is wrong"
        )
        return BroughtTool(entry=entry, outcome=text, is_wrong=True)
    return BroughtTool(entry=entry, outcome=f"{state}: {reason}" if reason else state)
