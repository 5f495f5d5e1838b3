"""The kept files of a build: list them, and give out one file, or a part of it. It changes nothing.

An answer of the function host is held in memory as a whole. So a larger file is given out in parts, at most PART bytes
in each. A file of at most PART bytes is checked against its digest before any byte of it is given out. A larger one is
checked as a whole, part after part, before its first part is; the reader compares the digest when it has all parts.

The digests come from the reports. The builder wrote the report and the files, and the build's row holds the
digest of each report that was judged. Most files were written inside a machine that a team controls. They are
bytes for people to read, and the factory never acts on them.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, NoReturn

from pipeline_core.domain.attempts import LOG, REPORT
from pipeline_core.domain.builds import Build
from pipeline_core.domain.byte_ranges import PART, ByteRange, FilePart
from pipeline_core.domain.errors import ErrorClass, InvalidValue, MalformedMessage, NotFound, PermanentError
from pipeline_core.domain.names import BuildId, Digest
from pipeline_core.ports import BlobFacts, Blobs, Logs
from pipeline_core.services.views.views import EvidenceFile, EvidenceView
from pipeline_core.state.images import ImageStore
from pipeline_core.wire.report import REPORT_LIMIT, BuildReport, ReportedEvidence, digests_of

FILE_LIMIT = 64 * 1024 * 1024  # bytes of one file that is given out
_CONTAINER = "builds"
_READ = 1000  # blobs of one build
_ATTEMPTS = 40  # reports that one listing reads
_PLACE = re.compile(r"(build|verify)-([1-9][0-9]{0,3})", re.ASCII)
_ATTEMPT = re.compile(rf"[^/]+/{_PLACE.pattern}/(?:{re.escape(REPORT)}|{re.escape(LOG)})", re.ASCII)
_MEDIA = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,80}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """One attempt of one stage, written `verify-1`."""

    stage: str
    attempt: int
    pattern: ClassVar[re.Pattern[str]] = _PLACE

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Raise InvalidValue if `text` does not name an attempt."""
        match = cls.pattern.fullmatch(text)
        if match is None:
            raise InvalidValue("an attempt", text, "a stage and the number of an attempt, like verify-1")
        return cls(stage=match[1], attempt=int(match[2]))

    def __str__(self) -> str:
        return f"{self.stage}-{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """The content of one file, or of a part of it. `sha256` is the reported digest of the whole file, None for a log.

    `size` is None where `content` is the whole file; else it is the size of the whole, and `content` begins at `first`.
    """

    name: str
    content: bytes
    media_type: str
    sha256: str | None
    first: int = 0
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Reads the container `builds`."""

    images: ImageStore
    blobs: Blobs
    logs: Logs

    def show(self, identity: BuildId) -> EvidenceView:
        """Every file of the build. Raises NotFound."""
        build = self._build(identity)
        files: list[EvidenceFile] = []
        problems: list[str] = []
        places, logs = self._places(build)
        last = {place.stage: place for place in places}
        for place in places:
            try:
                files += self._files(build, place, is_last=last[place.stage] == place)
            except NotFound:
                pass  # the attempt ended without a report; its log is still listed
            except PermanentError as error:
                problems.append(str(error))
            if place in logs:
                files.append(_log(place, logs[place], is_last=last[place.stage] == place))
        return EvidenceView(
            build=str(build.id),
            image=str(build.image),
            version=None if build.version is None else str(build.version),
            gates=build.verdicts,
            files=tuple(files),
            problems=tuple(problems),
        )

    def read(self, identity: BuildId, place: Place, name: str, wanted: ByteRange | None = None) -> KeptFile:
        """One file of the list, or the part of it that is wanted, at most PART bytes.

        Raises NotFound, UnsatisfiableRange, and PermanentError if the file was changed, or is too large for one answer
        and no part of it is wanted.
        """
        build = self._build(identity)
        if name == LOG:
            return self._log_part(build, place, wanted)
        report, content = self.report(build, place)
        if name == REPORT:
            digest = hashlib.sha256(content).hexdigest()
            kept = KeptFile(name=REPORT, content=content, media_type="application/json", sha256=digest)
            return _cut(kept, wanted)
        return self.part(build, place, report, name, wanted)

    def verified(self, build: Build) -> tuple[Place, BuildReport]:
        """The report of the verify stage that succeeded. Raises NotFound."""
        places, _ = self._places(build)
        _, counted = _judged(build, "verify")
        for place in reversed([each for each in places if each.stage == "verify"]):
            if counted not in (0, place.attempt):
                continue
            try:
                report, _ = self.report(build, place)
            except NotFound:
                continue
            if report.succeeded:
                return place, report
        raise NotFound(
            f"build {build.id} kept no report of a verified machine; ask for a build of {build.image}"
        )

    def report(self, build: Build, place: Place) -> tuple[BuildReport, bytes]:
        """One attempt's report and its bytes. Raises NotFound, and PermanentError if it is not this build's."""
        content = self._bytes(build, place, REPORT, REPORT_LIMIT)
        try:
            report = BuildReport.from_wire(content)
        except MalformedMessage as error:
            raise PermanentError(ErrorClass.CONFLICT, f"{build.id}/{place}/{REPORT}: {error}") from error
        if (report.build, report.stage, report.attempt) != (str(build.id), place.stage, place.attempt):
            self._changed(build, place, REPORT)
        # The digest identifies the judged report. An attempt that did not count has no digest to compare with.
        known, counted = _judged(build, place.stage)
        is_held = place.attempt == counted or (counted == 0 and report.succeeded)
        if is_held and known is not None and str(known) not in digests_of(report, content):
            self._changed(build, place, REPORT)
        return report, content

    def part(
        self, build: Build, place: Place, report: BuildReport, name: str, wanted: ByteRange | None
    ) -> KeptFile:
        """The wanted part of a file that the report lists. Raises as `read` does."""
        entry = self._entry(build, place, report, name)
        if entry.size <= PART:
            return _cut(self.file(build, place, report, name), wanted)
        part = _demand_part(wanted, entry.size, f"{name} of {place} of build {build.id}")
        if part.first == 0:
            self._check(build, place, entry)
        content = self._part(build, place, name, part)
        if len(content) != part.length:
            self._changed(build, place, name)
        return KeptFile(
            name=name,
            content=content,
            media_type=_media(entry),
            sha256=entry.sha256,
            first=part.first,
            size=entry.size,
        )

    def file(self, build: Build, place: Place, report: BuildReport, name: str) -> KeptFile:
        """A whole file that the report lists, compared with the digest in the report. Raises as `read` does.

        For documents that the factory reads itself; all of it is in memory.
        """
        entry = self._entry(build, place, report, name)
        try:
            content = self._bytes(build, place, entry.name, entry.size)
        except PermanentError as error:
            if error.error_class is not ErrorClass.POLICY:
                raise
            self._changed(build, place, entry.name)  # it is larger than reported
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            self._changed(build, place, entry.name)
        return KeptFile(name=entry.name, content=content, media_type=_media(entry), sha256=entry.sha256)

    def _entry(self, build: Build, place: Place, report: BuildReport, name: str) -> ReportedEvidence:
        entry = next((each for each in report.evidence if each.name == name), None)
        if entry is None:
            raise NotFound(
                f"{place} of build {build.id} kept no {name[:80]!r};"
                f" GET /api/builds/{build.id}/evidence lists what is kept"
            )
        _demand_size(entry.size, f"{entry.name} of {place} of build {build.id}")
        return entry

    def _log_part(self, build: Build, place: Place, wanted: ByteRange | None) -> KeptFile:
        """The log as it is now. It only grows, so that its parts fit together."""
        facts = self.blobs.find_facts(_CONTAINER, f"{build.id}/{place}/{LOG}")
        size, what = 0 if facts is None else facts.size, f"{LOG} of {place} of build {build.id}"
        _demand_size(size, what)
        if facts is None or (wanted is None and size <= PART):
            content = self._part(build, place, LOG, FilePart(first=0, length=PART))
            return KeptFile(name=LOG, content=content, media_type="text/plain", sha256=None)
        part = _demand_part(wanted, size, what)
        content = self._part(build, place, LOG, part)
        return KeptFile(
            name=LOG, content=content, media_type="text/plain", sha256=None, first=part.first, size=size
        )

    def _check(self, build: Build, place: Place, entry: ReportedEvidence) -> None:
        """Compare a large file with its digest, a part at a time."""
        digest, size = hashlib.sha256(), 0
        while size <= entry.size:
            content = self._part(build, place, entry.name, FilePart(first=size, length=PART))
            if not content:
                break
            digest.update(content)
            size += len(content)
        if size != entry.size or digest.hexdigest() != entry.sha256:
            self._changed(build, place, entry.name)

    def _part(self, build: Build, place: Place, name: str, part: FilePart) -> bytes:
        try:
            return self.blobs.read_part(
                _CONTAINER, f"{build.id}/{place}/{name}", first=part.first, length=part.length
            )
        except NotFound as error:
            raise _not_stored(build, place, name) from error

    def _build(self, identity: BuildId) -> Build:
        stored = self.images.find_build(identity)
        if stored is None:
            raise NotFound(f"there is no build {identity}; GET /api/images/{identity.image} lists its builds")
        return stored.value

    def _places(self, build: Build) -> tuple[list[Place], dict[Place, BlobFacts]]:
        """The attempts that left a report or a log, in order, and the logs."""
        places: set[Place] = set()
        logs: dict[Place, BlobFacts] = {}
        for facts in self.blobs.list(_CONTAINER, f"{build.id}/", limit=_READ):
            match = _ATTEMPT.fullmatch(facts.name)
            if match is None:
                continue
            place = Place(stage=match[1], attempt=int(match[2]))
            places.add(place)
            if facts.name.endswith(LOG):
                logs[place] = facts
        return sorted(places)[-_ATTEMPTS:], logs

    def _files(self, build: Build, place: Place, *, is_last: bool) -> Iterator[EvidenceFile]:
        report, content = self.report(build, place)
        digest = hashlib.sha256(content).hexdigest()
        own = ReportedEvidence(name=REPORT, sha256=digest, size=len(content), media_type="application/json")
        for entry in (*sorted(report.evidence, key=_name_of), own):
            yield EvidenceFile(
                name=entry.name,
                stage=place.stage,
                attempt=place.attempt,
                is_last=is_last,
                sha256=entry.sha256,
                size=entry.size,
                media_type=_media(entry),
            )

    def _bytes(self, build: Build, place: Place, name: str, limit: int) -> bytes:
        try:
            return self.blobs.read(_CONTAINER, f"{build.id}/{place}/{name}", limit=limit)
        except NotFound as error:
            raise _not_stored(build, place, name) from error

    def _changed(self, build: Build, place: Place, name: str) -> NoReturn:
        """Another writer has overwritten a judged file: report it to operators, and never give the file out."""
        self.logs.note(
            "evidence-changed", image=str(build.image), build_id=str(build.id), place=str(place), file=name
        )
        raise PermanentError(
            ErrorClass.CONFLICT,
            f"{name} of {place} of build {build.id} is not the reported file: its digest differs; "
            "report this to SecOps",
        )


def _not_stored(build: Build, place: Place, name: str) -> NotFound:
    text = f"{name} of {place} of build {build.id} is not stored, or not any more"
    return NotFound(f"{text}; GET /api/builds/{build.id}/evidence lists what is kept")


def _demand_size(size: int, what: str) -> None:
    if size > FILE_LIMIT:
        text = f"{what} has {size} bytes, the limit is {FILE_LIMIT}"
        raise PermanentError(ErrorClass.POLICY, f"{text}: take it from the container {_CONTAINER!r}")


def _demand_part(wanted: ByteRange | None, size: int, what: str) -> FilePart:
    """The wanted part. Raises UnsatisfiableRange, and PermanentError where the whole of a large file is wanted."""
    if wanted is None:
        text = f"{what} has {size} bytes, and one answer has at most {PART}"
        remedy = f"ask for its parts with `Range: bytes=0-{PART - 1}` and so on, as `imagefactory evidence --save` does"
        raise PermanentError(ErrorClass.POLICY, f"{text}: {remedy}")
    return wanted.within(size, most=PART)


def _cut(kept: KeptFile, wanted: ByteRange | None) -> KeptFile:
    """The wanted part of a small file that is known as a whole."""
    if wanted is None:
        return kept
    size = len(kept.content)
    part = wanted.within(size, most=PART)
    return replace(kept, content=kept.content[part.first :][: part.length], first=part.first, size=size)


def _judged(build: Build, stage: str) -> tuple[Digest | None, int]:
    """Digest and attempt of the report that counted. The attempt is 0 if the row does not say which one it was."""
    if stage == "build":
        return build.build_result, build.build_attempt
    return build.verify_result, build.verify_attempt


def _log(place: Place, facts: BlobFacts, *, is_last: bool) -> EvidenceFile:
    return EvidenceFile(
        name=LOG,
        stage=place.stage,
        attempt=place.attempt,
        is_last=is_last,
        sha256=None,
        size=facts.size,
        media_type="text/plain",
    )


def _media(entry: ReportedEvidence) -> str:
    return entry.media_type if _MEDIA.fullmatch(entry.media_type) else "application/octet-stream"


def _name_of(entry: ReportedEvidence) -> str:
    return entry.name
