"""Fetch one file of the catalog: https, from hosts of the catalog alone, bounded, and where it stopped before.

It sends no credential to anybody. The SHA-256 decides whether the file is taken, so nothing that a host sends is
relied on before that.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests

from imagefactory.failures import CommandRefused, Unreachable
from pipeline_core.domain.tools import SIZE_LIMIT
from pipeline_core.guard.catalog import CatalogEntry

_TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two bytes
_REDIRECTS = 5
_TRIES = 4  # connections for one file; each goes on behind the bytes that are there
_PAUSE = 2.0  # seconds before the next try
_PATIENCE = 60.0  # seconds at most before the next try, whatever a host asks for
_PASSING = frozenset({429, 500, 502, 503, 504})  # answers that say nothing about the address
_CHUNK = 64 * 1024  # bytes; as many at most are fetched again after a break
_STEP = 64 * 1024 * 1024  # bytes between two lines of progress


class _PassingAnswerError(Exception):
    def __init__(self, host: str, status: int, wait: float) -> None:
        super().__init__(host, status, wait)
        self.host, self.status, self.wait = host, status, wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloads:
    """`folder` keeps what is not complete, so that the next run goes on. `hosts` are those of the catalog."""

    folder: Path
    hosts: frozenset[str]
    ca_file: str = ""
    report: Callable[[str], None] = print
    sleep: Callable[[float], None] = time.sleep

    def fetch(self, entry: CatalogEntry) -> Path:
        """The file, whose content has the entry's SHA-256. Raises CommandRefused, Unreachable."""
        try:
            return self._fetch(entry)
        except OSError as error:
            raise unusable(entry, self.folder, error) from error

    def _fetch(self, entry: CatalogEntry) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f"{entry.sha256}.part"
        for left in reversed(range(_TRIES)):
            try:
                self._go_on(entry, part)
                break
            except _PassingAnswerError as error:
                if not left:
                    raise Unreachable(
                        f"{entry.id}: {error.host} answered {_TRIES} times that it cannot now, the last time with"
                        f" {error.status}: run the command again later"
                    ) from None
                self.report(f"{entry.id}: {error.host} answered {error.status}, next try in {error.wait:g} s")
                self.sleep(error.wait)
            except requests.exceptions.RequestException as error:
                host = urlsplit(entry.url).hostname
                if not left:
                    raise Unreachable(
                        f"{host} does not give {entry.id} {entry.version}: {type(error).__name__}; the next run goes"
                        f" on behind {_size_of(part):,} bytes"
                    ) from error
                self.report(f"{entry.id}: {host} broke off after {_size_of(part):,} bytes, next try")
                self.sleep(_PAUSE)
        demand_digest(entry, part)
        return part

    def _go_on(self, entry: CatalogEntry, part: Path) -> None:
        begin = _size_of(part)
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if begin:
            headers["Range"] = f"bytes={begin}-"
        with requests.Session() as session, self._answer(session, entry, headers) as answer:
            if answer.status_code == 416:
                return  # it is whole already, or another file: the digest tells
            if answer.status_code in _PASSING:
                raise _PassingAnswerError(
                    urlsplit(answer.url).hostname or "", answer.status_code, _wait_of(answer)
                )
            if answer.status_code not in (200, 206):
                raise CommandRefused(
                    f"{entry.id}: {entry.url} was answered with {answer.status_code}: check the address in the catalog"
                )
            is_continued = answer.status_code == 206 and bool(begin)
            with part.open("ab" if is_continued else "wb") as file:
                self._write(entry, answer, file.write, begin if is_continued else 0)

    def _write(
        self, entry: CatalogEntry, answer: requests.Response, write: Callable[[bytes], object], size: int
    ) -> None:
        said = size
        for chunk in answer.iter_content(_CHUNK):
            size += len(chunk)
            if size > SIZE_LIMIT:
                raise CommandRefused(f"{entry.id}: the file is larger than {SIZE_LIMIT:,} bytes")
            write(chunk)
            if size - said >= _STEP:
                said = size
                self.report(f"{entry.id}: {size:,} bytes")

    def _answer(
        self, session: requests.Session, entry: CatalogEntry, headers: dict[str, str]
    ) -> requests.Response:
        session.trust_env = True  # a proxy of the environment is how an estate reaches vendors
        address = entry.url
        for _ in range(_REDIRECTS + 1):
            self._demand_host(entry, address)
            answer = session.get(
                address,
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
                auth=_no_auth,
                verify=self.ca_file or True,
            )
            if not answer.is_redirect:
                return answer
            address = urljoin(address, answer.headers["Location"])
            answer.close()
        raise CommandRefused(f"{entry.id}: more than {_REDIRECTS} redirects from {entry.url}")

    def _demand_host(self, entry: CatalogEntry, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme != "https" or "@" in parts.netloc:
            raise CommandRefused(f"{entry.id}: {entry.url} leads to an address that is not plain https")
        if parts.netloc not in self.hosts:
            raise CommandRefused(
                f"{entry.id}: {entry.url} leads to {parts.netloc[:80]}, which is not among `hosts` of the catalog:"
                " add the host if files may come from there, or use another address"
            )


def take_from(folder: Path, entry: CatalogEntry) -> Path:
    """The entry's file in a folder, by the last part of its address or by its SHA-256. Raises CommandRefused."""
    try:
        for name in (entry.sha256, entry.url.rpartition("/")[2]):
            found = folder / name
            if found.is_file() and not found.is_symlink():
                demand_digest(entry, found, is_ours=False)
                return found
    except OSError as error:
        raise unusable(entry, folder, error) from error
    raise CommandRefused(
        f"{entry.id}: {folder} has no {entry.url.rpartition('/')[2]}, and no file that is named by its SHA-256"
    )


def demand_digest(entry: CatalogEntry, file: Path, *, is_ours: bool = True) -> None:
    """Raise CommandRefused unless the content is the entry's. A file of ours that is wrong is removed."""
    counted = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            counted.update(chunk)
    if counted.hexdigest() == entry.sha256:
        return
    if is_ours:
        with suppress(OSError):
            file.unlink()
    raise CommandRefused(
        f"{entry.id} {entry.version}: the file's SHA-256 is {counted.hexdigest()}, and the catalog pins {entry.sha256}:"
        " compare both with the publisher's signed list before anything is changed"
    )


def unusable(entry: CatalogEntry, folder: Path, error: OSError) -> CommandRefused:
    """What the system says about a file of this machine: a full disk, a file or certificate that cannot be read."""
    if error.strerror is None:  # of requests, about the certificates: it names its file
        return CommandRefused(f"{entry.id}: {error}")
    return CommandRefused(f"{entry.id}: {error.filename or folder}: {error.strerror}; the folder is {folder}")


def _wait_of(answer: requests.Response) -> float:
    """How many seconds the host asks for, within bounds. A date is not read: then it is the usual pause."""
    asked = answer.headers.get("Retry-After", "")
    return min(max(float(asked), _PAUSE), _PATIENCE) if asked.isdecimal() else _PAUSE


def _size_of(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """A .netrc is for people's own hosts: nothing of it goes to a vendor."""
    return request
