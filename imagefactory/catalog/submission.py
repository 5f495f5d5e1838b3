"""Bring every file of a catalog that the factory does not hold; one that fails stops no other."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from imagefactory.catalog import downloads
from imagefactory.client import Client
from imagefactory.connection import Json
from imagefactory.failures import CommandFailure, CommandRefused, Unreachable
from imagefactory.waiting import Patience
from pipeline_core.guard.catalog import CatalogEntry

_TIMEOUT = (10.0, 300.0)  # seconds to connect, and until the next byte goes
_FORBIDDEN = 403
_OFFER_LIFE = 600.0  # seconds; an address is good for two hours, and a slow upload may need most of them
_OF_NETWORK = "AuthorizationFailure"  # what the storage account says to who asks from outside its network
_OF_ADDRESS = "AuthenticationFailed"  # what it says to an address whose time is over
_INSIDE = "run it inside the factory's network, on a machine that reaches the storage account, such as a runner there"

Find = Callable[[CatalogEntry], Path]  # the file, with the right content


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtTool:
    """What became of one entry. `is_wrong` where a person must act."""

    entry: CatalogEntry
    outcome: str
    is_wrong: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Asks the factory about each file, and brings those that it wants.

    `cache` is where `find` keeps files of its own: these go as soon as the factory has them, and no other file does.
    """

    client: Client
    find: Find
    report: Callable[[str], None]
    cache: Path | None = None
    clock: Callable[[], float] = time.monotonic

    def bring(self, entries: Sequence[CatalogEntry]) -> Iterator[BroughtTool]:
        """What became of each entry, one by one. Raises CommandRefused where the caller may bring none."""
        known = _states(self.client.list_tools())
        for entry in entries:
            try:
                yield self._bring(entry, known.get(entry.sha256))
            except CommandFailure as error:
                if isinstance(error, CommandRefused) and error.status == _FORBIDDEN:
                    raise  # it would be the same for each
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
        offer = self.client.submit_tool(entry.sha256)  # first: a file that is not wanted is not fetched
        asked = self.clock()
        if offer["address"] is None:
            return _brought_before(entry, offer["record"])
        file = self.find(entry)
        if self.clock() - asked > _OFFER_LIFE:
            offer = self.client.submit_tool(entry.sha256)
        if offer["address"] is not None:
            self._upload(entry, file, offer["address"])
        if self.cache is not None and file.parent == self.cache:
            with suppress(OSError):
                file.unlink()
        if offer["address"] is None:
            return _brought_before(entry, offer["record"])
        return BroughtTool(entry=entry, outcome="brought; the factory looks at it within minutes")

    def _upload(self, entry: CatalogEntry, file: Path, address: str) -> None:
        """Put the blob; an address whose time is over is replaced once."""
        for is_last in (False, True):
            answer = self._put(entry, file, address)
            if answer.status_code == 201:
                return
            code = answer.headers.get("x-ms-error-code") or "no code"
            if code == _OF_NETWORK:
                raise Unreachable(
                    f"{entry.id}: the factory's storage is closed to this machine ({code}): {_INSIDE}"
                )
            if answer.status_code in (403, 409):
                new = self.client.submit_tool(entry.sha256)["address"]
                if new is None:
                    return  # an upload before this one has done it, and its answer was lost
                if code == _OF_ADDRESS and not is_last:
                    address = new
                    continue
            raise CommandRefused(
                f"{entry.id}: the factory's storage refused the file ({answer.status_code}, {code})"
            )

    def _put(self, entry: CatalogEntry, file: Path, address: str) -> requests.Response:
        """One Put Blob. The address is a secret, so no message has it."""
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "If-None-Match": "*",
            "Content-Type": "application/octet-stream",
        }
        try:
            self.report(f"{entry.id}: uploading {file.stat().st_size:,} bytes")
            with file.open("rb") as stream, requests.Session() as session:
                session.trust_env = False  # a proxy would see the address, and .netrc is not for it
                return session.put(
                    address,
                    data=stream,
                    headers=headers,
                    timeout=_TIMEOUT,
                    allow_redirects=False,
                    verify=self.client.ca_file or True,
                )
        except requests.exceptions.RequestException as error:
            raise Unreachable(
                f"{entry.id}: the factory's storage does not take the file ({type(error).__name__}): {_INSIDE}"
            ) from None
        except OSError as error:
            raise downloads.unusable(entry, file.parent, error) from error


def _states(tools: Sequence[Json]) -> Mapping[str, Json]:
    return {each["sha256"]: each["record"] for each in tools if each["record"]}


def _brought_before(entry: CatalogEntry, record: Json) -> BroughtTool:
    """The factory wants no upload: it holds the file, even where its record is older than the upload."""
    if record["state"] == "requested":
        return BroughtTool(
            entry=entry, outcome="brought, not looked at yet; the factory does so within minutes"
        )
    return _told(entry, record)


def _told(entry: CatalogEntry, record: Json) -> BroughtTool:
    state, reason = record["state"], record["reason"]
    if state == "refused":
        text = (
            f"refused: {reason}; pin another file, or run"
            f" `imagefactory catalog remove {entry.sha256} --reason TEXT` if the finding is wrong"
        )
        return BroughtTool(entry=entry, outcome=text, is_wrong=True)
    return BroughtTool(entry=entry, outcome=f"{state}: {reason}" if reason else state)
