"""What must hold after every step. It is checked at each call that could break it, against what really happened.

No check uses the factory's own rules. Builds are read from the rows as they are written, and versions from the
galleries. The platform's own record says what was built and tested.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline_core.adapters.memory.ports import MemoryPorts
from pipeline_core.domain.attempts import ATTEMPT_TAG, BUILD_TAG, PROVENANCE_TAG, STAGE_TAG
from pipeline_core.domain.names import GalleryName, ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.ports import (
    GalleryImageVersion,
    NewContainerGroup,
    TableWrite,
    TaggedResource,
    VersionState,
    WriteKind,
)
from pipeline_core.wire.job import GalleryImage
from pipeline_core.wire.provenance import ENVELOPE_LIMIT, Envelope, read_publication
from simulation import rows
from simulation.platform import SimulatedContainers

Version = tuple[str, str]  # image, version
_PATIENCE = timedelta(
    minutes=3
)  # of two requests to delete one group, by clocks that differ by up to 45 s each way
# A version that other people took away is not used any more after this time: looks come within an hour, faults delay
# them, and a build that was on its way ends.
_SEEN = timedelta(hours=12)
# Platform steps in force for so long decide what becomes current: a step of publishing that began before has ended.
_IN_FORCE = timedelta(minutes=10)
# A gallery holds a version while its marks are changed, also where that change failed: `latest` may still mean it.
_HELD = frozenset({VersionState.READY, VersionState.UPDATING, VersionState.UPDATE_FAILED})
_STAGES = {"building": "build", "verifying": "verify"}  # the stage that runs in a phase


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenBuild:
    """A build as its row says."""

    id: str
    image: str
    fingerprint: str
    generation: int
    phase: str
    attempt: int
    build_attempt: int
    result: str | None
    version: str | None
    parent: Version | None
    is_verified: bool
    seq: int  # its transitions so far
    campaign: str = ""
    is_stopping: bool = False  # a person or a failure ends the build: its resources go first


@dataclass(slots=True, kw_only=True)
class Safety:
    """Watches every call that had its effect. `broken` lists the violations, in order."""

    twins: MemoryPorts
    platform: SimulatedContainers
    live: frozenset[str]
    slots: int
    broken: list[str] = field(default_factory=list)
    builds: dict[str, SeenBuild] = field(default_factory=dict)
    published: set[Version] = field(default_factory=set)  # ever included in latest
    publishes: Counter[tuple[str, str]] = field(default_factory=Counter)  # by image and fingerprint
    pruned: set[tuple[str, str]] = field(default_factory=set)  # their version was removed on purpose
    explained: set[Version] = field(default_factory=set)  # published before the tables were lost
    lost: dict[str, SeenBuild] = field(default_factory=dict)  # builds that ran when the tables were lost
    taken_away: dict[Version, datetime] = field(default_factory=dict)  # by other people, and when last
    given_back: set[Version] = field(default_factory=set)  # of these: let in again by a person since
    ended: int = 0
    _active: dict[str, set[str]] = field(default_factory=dict)
    _held: set[str] = field(default_factory=set)
    _sources: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    _currents: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # as the heads name them
    _platform: tuple[object, datetime] | None = None  # the steps in force, and since when

    def watch(self, name: str, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """Check one call."""
        match name:
            case "tables.write" if given[0] == "images":
                self._demand_wanted(given[1])
                for write in given[1]:
                    self._look_at_row(write)
                self._demand_one_active(str(given[1][0].row.partition))
            case "tables.write" if given[0] == "capacity":
                self._look_at_slots(given[1])
            case "tables.write" if given[1][0].row.partition == "platform":
                self._look_at_platform(given[1][0])
            case "containers.create_group":
                self._look_at_group(given[0])
            case "containers.delete_group":
                self._look_at_deletion(str(given[0]))
            case "galleries.set_excluded":
                if not named["excluded"] and str(given[0]) in self.live:
                    self._look_at_inclusion(given[0], given[1], given[2])
            case "galleries.set_life":
                wanted: GalleryImageVersion = given[0]
                if not wanted.excluded_from_latest and str(wanted.gallery) in self.live:
                    self._look_at_inclusion(wanted.gallery, wanted.image, wanted.version)
            case "galleries.begin_delete" if str(given[0]) not in self.live:
                self._demand_not_in_use((str(given[1]), str(given[2])))
            case "resources.begin_delete":
                self._look_at_removal(given[0])

    def forget(self) -> None:
        """The tables are gone. Slots, active builds and claims begin anew; versions and what was built stay known.

        A group of a build that ran then takes no slot, and may go at any time: nobody knows its build any more.
        """
        self._held.clear()
        self._active.clear()
        self.explained = set(self.published)
        self.pruned |= {(build.image, build.fingerprint) for build in self.builds.values()}
        self.lost |= {name: build for name, build in self.builds.items() if build.phase != "finished"}
        self.builds = {name: build for name, build in self.builds.items() if name not in self.lost}

    def take_away(self, version: Version) -> None:
        """Other people have taken a version out of the gallery or out of `latest` at this moment."""
        self.taken_away[version] = self.twins.clock.now()
        self.given_back.discard(version)

    def give_back(self, version: Version) -> None:
        """A person has let a version in again: from now on it may be used like any other."""
        self.given_back.add(version)

    def is_withdrawn(self, build: str) -> bool:
        """True for a build that ended because nobody wanted its input any more."""
        found = self.builds.get(build)
        return found is not None and found.result == "withdrawn"

    def seq_of(self, build: str) -> int:
        """The transitions of a build so far, by its row; -1 where no row of it was seen."""
        found = self.builds.get(build)
        return -1 if found is None else found.seq

    def _demand_wanted(self, writes: Sequence[TableWrite]) -> None:
        """(21) What is taken back never becomes current: one transaction has the end of the build and the head."""
        heads = [
            rows.said_by(write.row)
            for write in writes
            if write.row.key == "head" and write.verb is not WriteKind.DELETE
        ]
        for head in heads:
            image, current = head["registration"]["name"]["value"], head["current"]
            before = self._currents.get(image)
            if current is None:
                self._currents.pop(image, None)
                continue
            self._currents[image] = current
            if before is None or _place(current["version"]) <= _place(before["version"]):
                continue  # it has fallen back to an older one
            old, new, wanted = before["inputs"], current["inputs"], head["registration"]
            for part in ("bundle", "recipe"):
                if new[part] != wanted[part] == old[part]:
                    self._blame(f"(21) {image} has a new version of a {part} that was taken back")
            places = [_origin(each["origin"]) for each in (old, new, wanted)]
            if places[0] == places[2] != places[1]:
                self._blame(f"(21) {image} has a new version from a place that it was moved back from")
            if self._platform is None or self._platform[1] + _IN_FORCE > self.twins.clock.now():
                continue
            if new["platform"] != self._platform[0] == old["platform"]:
                self._blame(f"(21) {image} has a new version of platform steps that were taken back")

    def _look_at_platform(self, write: TableWrite) -> None:
        digest = rows.said_by(write.row)["digest"]
        if self._platform is None or self._platform[0] != digest:
            self._platform = digest, self.twins.clock.now()

    def _look_at_row(self, write: TableWrite) -> None:
        if write.row.key.startswith("claim:"):
            claim = rows.said_by(write.row)
            if claim["outcome"] == "pruned":
                self.pruned.add((claim["image"]["value"], claim["fingerprint"]["value"]))
        if write.row.key == "head" and write.verb is not WriteKind.DELETE:
            self._look_at_head(rows.said_by(write.row))
        if not write.row.key.startswith("build:"):
            return
        seen = _seen(rows.said_by(write.row))
        before = self.builds.get(seen.id)
        self.builds[seen.id] = seen
        active = self._active.setdefault(seen.image, set())
        if seen.phase != "finished":
            active.add(seen.id)
        else:
            active.discard(seen.id)
            if before is None or before.phase != "finished":
                self._look_at_end(seen)

    def _demand_one_active(self, image: str) -> None:
        active = self._active.get(image, set())
        if len(active) > 1:
            self._blame(f"(3) {image} has {len(active)} active builds: {', '.join(sorted(active))}")

    def _look_at_head(self, head: Mapping[str, Any]) -> None:
        """A root's source version only moves forward, unless it leaves a release that its publisher took back."""
        current = head["current"]
        if current is None or "source" not in current["inputs"]["origin"]:
            return
        image, version = head["registration"]["name"]["value"], current["inputs"]["origin"]["version"]
        source, key = tuple(version.values()), str(current["inputs"]["origin"]["source"])
        before, left = self._sources.get(image, ("", ()))
        if key == before and source < left and not self._was_taken_back(left) and not self._has_fallen(image):
            self._blame(f"(2) {image} went back to the source version {'.'.join(map(str, source))}")
        self._sources[image] = (key, source)

    def _has_fallen(self, image: str) -> bool:
        """True where somebody took a version of the image away, so that an older one is current again."""
        return any(each[0] == image for each in self.taken_away)

    def _was_taken_back(self, release: tuple[int, ...]) -> bool:
        """True by the Marketplace's own record."""
        taken = self.twins.marketplace.taken_back
        return any((each.major, each.minor, each.release) == release for _, each in taken)

    def _look_at_end(self, build: SeenBuild) -> None:
        self.ended += 1
        if build.result != "succeeded":
            return
        key = (build.image, build.fingerprint)
        self.publishes[key] += 1
        if self.publishes[key] > 1 and key not in self.pruned:
            self._blame(f"(2) {build.image} published the input {build.fingerprint[:12]} again: {build.id}")

    def _look_at_slots(self, writes: Sequence[TableWrite]) -> None:
        for write in writes:
            if not write.row.key.startswith("slot:"):
                continue
            if write.verb.value == "delete":
                self._held.discard(write.row.key)
            else:
                self._held.add(write.row.key)
        if len(self._held) > self.slots:
            self._blame(f"(4) {len(self._held)} slots are held, {self.slots} are there")

    def _look_at_group(self, new: NewContainerGroup) -> None:
        groups = self.twins.containers.list_groups()
        running = {group.tags.get(BUILD_TAG, "") for group in groups} - self.lost.keys()
        if len(running) > self.slots:
            text = f"(4) {new.name} is one too many: groups of {len(running)} builds, {self.slots} may run"
            self._blame(f"{text}: {', '.join(sorted(running))}")
        digest = new.environment["IF_JOB"]
        job = rows.job_of(self.twins.blobs, digest)
        if job.stage == "build" and isinstance(job.source, GalleryImage):
            self._demand_published(
                (job.source.image, job.source.version), f"build {job.build} starts from", job.source.gallery
            )

    def _look_at_deletion(self, group: str) -> None:
        """A group that is being deleted is looked at, and not deleted again for minutes."""
        moments = self.twins.containers.asked.get(group, [])
        if len(moments) > 1 and moments[-1] - moments[-2] < _PATIENCE:
            took = (moments[-1] - moments[-2]).total_seconds()
            self._blame(f"(11) {group} was deleted again after {took:.0f} s")

    def _look_at_inclusion(self, gallery: GalleryName, image: ImageName, version: GalleryVersion) -> None:
        found = self.twins.galleries.find_version(gallery, image, version)
        if found is None:
            return
        key = (str(image), str(version))
        if key in self.published:
            return  # it was published before, and is included in latest again
        self.published.add(key)
        self._demand_gates(found, key)

    def _look_at_removal(self, resource: TaggedResource) -> None:
        """Nothing is removed that the current attempt of a build may use."""
        build = self.builds.get(resource.tags.get(BUILD_TAG, ""))
        if build is None or build.is_stopping or build.phase == "finished":
            return
        stage, attempt = resource.tags.get(STAGE_TAG), resource.tags.get(ATTEMPT_TAG)
        if (stage, attempt) == (_STAGES.get(build.phase), str(build.attempt)):
            self._blame(f"(7) {resource.id} was removed while {build.id} is {build.phase}")

    def _demand_not_in_use(self, version: Version) -> None:
        for build in map(self.builds.__getitem__, sorted(self._active.get(version[0], ()))):
            if build.version == version[1] and not build.is_stopping:
                text = f"(7) {version[0]}@{version[1]} was removed from quarantine"
                self._blame(f"{text} while {build.id} is {build.phase}")

    def _demand_gates(self, found: GalleryImageVersion, key: Version) -> None:
        tag, text = found.tags.get(BUILD_TAG, ""), f"{key[0]}@{key[1]}"
        build = self.builds.get(tag)
        if build is None and tag in self.lost:  # recovery found it proven and whole
            build = self.lost[tag]
            self.explained.add(key)
        if build is None or build.version != key[1]:
            self._blame(f"(5) {text} is live without a build of its own")
            return
        if not build.is_verified or key not in self.platform.proved:
            self._blame(f"(5) {text} of {build.id} is live without its gates")
        maker = self.platform.made.get(key)
        if maker != (build.id, build.build_attempt):
            self._blame(f"(5) {text} was made by {maker}, not by {build.id} attempt {build.build_attempt}")
        if not self._is_signed(found.tags.get(PROVENANCE_TAG, "")):
            self._blame(f"(5) {text} is live without provenance")
        elif not self._is_recorded(found):
            self._blame(f"(5) {text} is live without a record of its publication")
        if build.parent is not None:
            self._demand_published(build.parent, f"{text} is included with", self._home_of(build.parent))

    def _home_of(self, parent: Version) -> str:
        """The live gallery that holds a version, whichever image's it is; any where none does."""
        image, version = ImageName(parent[0]), GalleryVersion.parse(parent[1])
        for gallery in sorted(self.live):
            if self.twins.galleries.find_version(GalleryName(gallery), image, version) is not None:
                return gallery
        return min(self.live)

    def _is_signed(self, statement: str) -> bool:
        """True if the factory's key has signed the statement that the tags name."""
        return self._signed(f"{statement}.dsse.json") is not None

    def _is_recorded(self, found: GalleryImageVersion) -> bool:
        """True if the factory's key has signed that this very copy was published."""
        start = f"{found.tags[PROVENANCE_TAG]}."
        listed = self.twins.blobs.list("provenance", start, limit=100)
        named = (facts.name for facts in listed if facts.name.endswith(".publication.dsse.json"))
        signed = (content for name in named if (content := self._signed(name)) is not None)
        return any(read_publication(each).facts.published_at == found.published_at for each in signed)

    def _signed(self, name: str) -> bytes | None:
        """The content of an envelope that the factory's key has signed, or None."""
        if self.twins.blobs.find_facts("provenance", name) is None:
            return None
        envelope = Envelope.from_wire(self.twins.blobs.read("provenance", name, limit=ENVELOPE_LIMIT))
        message, signatures = envelope.signed_message(), envelope.to_domain()
        is_ours = self.twins.signer.find_signer(message, signatures) is not None
        return envelope.content() if is_ours else None

    def _demand_published(self, parent: Version, what: str, gallery: str) -> None:
        if parent not in self.published:
            self._blame(f"(6) {what} {parent[0]}@{parent[1]}, which was never published")
            return
        found = self.twins.galleries.find_version(
            GalleryName(gallery), ImageName(parent[0]), GalleryVersion.parse(parent[1])
        )
        if parent in self.taken_away and parent not in self.given_back:
            since = self.twins.clock.now() - self.taken_away[parent]
            if since > _SEEN:
                self._blame(f"(20) {what} {parent[0]}@{parent[1]}, which was taken away {since} ago")
            return
        if found is None or found.state not in _HELD:
            self._blame(f"(6) {what} {parent[0]}@{parent[1]}, which is not in {gallery}")

    def _blame(self, text: str) -> None:
        if text not in self.broken:
            self.broken.append(text)


def _seen(row: Mapping[str, Any]) -> SeenBuild:
    origin = row["inputs"]["origin"]
    parent = (origin["image"]["value"], _version(origin["version"])) if "image" in origin else None
    return SeenBuild(
        id=row["id"]["value"],
        image=row["image"]["value"],
        fingerprint=row["fingerprint"]["value"],
        generation=row["generation"],
        phase=row["phase"],
        attempt=row["attempt"],
        build_attempt=row["build_attempt"],
        result=row["result"],
        version=None if row["version"] is None else _version(row["version"]),
        parent=parent,
        is_verified=row["verify_result"] is not None,
        seq=row["seq"],
        campaign=row["campaign"]["value"],
        is_stopping=row["cancel"] is not None or row["given_up"],
    )


def _place(parts: Mapping[str, int]) -> tuple[int, int, int]:
    return parts["major"], parts["day"], parts["sequence"]


def _origin(parts: Mapping[str, Any]) -> str:
    """The parent, or the source of a root, whatever its version."""
    if "image" in parts:
        return str(parts["image"]["value"])
    source = parts.get("source", parts)
    return ":".join(source[name] for name in ("publisher", "offer", "sku"))


def _version(parts: Mapping[str, int]) -> str:
    return f"{parts['major']}.{parts['day']}.{parts['sequence']}"
