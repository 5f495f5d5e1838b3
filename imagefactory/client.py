"""The routes of the factory's HTTP API as calls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

from imagefactory.connection import ApiAnswer, Connection, Json, segment
from imagefactory.failures import CommandRefused
from pipeline_core.wire.bundle import PackedBundle

_PAGE = 200
_LINEAGE_PAGE = 1000
_PAGE_LIMIT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Client(Connection):
    """Calls of one factory."""

    def put_bundle(self, bundle: PackedBundle) -> bool:
        """Upload a packed folder; False where the factory had it."""
        headers = {"Content-Type": "application/gzip"}
        return (
            self._ask("PUT", f"/api/bundles/{bundle.digest}", data=bundle.content, headers=headers).status
            == 201
        )

    def share_bundle(self, digest: str, to: str, reason: str) -> Json:
        """Let another team use a stored bundle; returns its owners."""
        body = {"to": to, "reason": reason}
        return self._ask("POST", f"/api/bundles/{segment(digest)}/share", body=body).body

    def find_image(self, name: str) -> tuple[Json, str] | None:
        """The image and its ETag, or None."""
        try:
            answer = self._ask("GET", f"/api/images/{segment(name)}")
        except CommandRefused as error:
            if error.status == 404:
                return None
            raise
        return answer.body, answer.headers.get("ETag", "")

    def get_image(self, name: str) -> tuple[Json, str]:
        """The image and its ETag; raises CommandRefused where there is none."""
        answer = self._ask("GET", f"/api/images/{segment(name)}")
        return answer.body, answer.headers.get("ETag", "")

    def put_image(
        self, name: str, document: Mapping[str, object], bundle: PackedBundle, etag: str | None
    ) -> ApiAnswer:
        """Register: replace the version `etag`, or create where it is None."""
        condition = {"If-None-Match": "*"} if etag is None else {"If-Match": etag}
        body = {"document": document, "bundle": str(bundle.digest)}
        return self._ask("PUT", f"/api/images/{segment(name)}", body=body, headers=condition)

    def list_images(self, team: str | None) -> Iterator[Json]:
        """Every image, page by page."""
        for page in self.list_pages(team):
            yield from page["images"]

    def list_pages(self, team: str | None) -> Iterator[Json]:
        """The pages of all images, at least one."""
        team_part = f"&team={quote(team, safe='')}" if team else ""
        return self._pages("/api/images", "", _PAGE, team_part, place="after")

    def get_lineage(self, name: str | None) -> Json:
        """The whole forest, or what is above and below one image: `levels`, `parents` and `errors` of all pages."""
        chosen = "" if name is None else f"&image={quote(name, safe='')}"
        parents: dict[str, str | None] = {}
        errors: dict[str, Json] = {}
        # An older factory sends the whole forest, and no `next`.
        for page in self._pages("/api/lineage", "", _LINEAGE_PAGE, chosen, place="after"):
            parents |= page["parents"]
            errors |= {each["image"]: each for each in page["errors"]}
        return {"levels": _levels_of(parents), "parents": parents, "errors": list(errors.values())}

    def list_history(self, name: str, kind: str, cursor: str, size: int) -> Iterator[Json]:
        """Pages of an image's `builds` or `journal`, newest first, from a cursor (empty: the newest) to the end."""
        return self._pages(f"/api/images/{segment(name)}/{kind}", cursor, size)

    def list_unreadable(self) -> Iterator[Json]:
        """Every row that the factory cannot read, page by page."""
        for page in self._pages("/api/state/unreadable", "", _PAGE, place="after"):
            yield from page["rows"]

    def request_build(self, name: str, reason: str, key: str) -> Json:
        """Ask for a build of unchanged inputs; the same key is the same request."""
        path, headers = f"/api/images/{segment(name)}/builds", {"Idempotency-Key": key}
        return self._ask("POST", path, body={"reason": reason}, headers=headers).body

    def get_build(self, identity: str) -> Json:
        """One build."""
        return self._ask("GET", f"/api/builds/{segment(identity)}").body

    def get_evidence(self, identity: str) -> Json:
        """The files that are kept of a build, and the decision of each gate."""
        return self._ask("GET", f"/api/builds/{segment(identity)}/evidence").body

    def save_evidence(self, identity: str, place: str, name: str, file: BinaryIO) -> str:
        """Write one file of a build; `place` is like `verify-1`. Returns its SHA-256."""
        path = f"/api/builds/{segment(identity)}/evidence/{segment(place)}/{segment(name)}"
        return self._download(path, file)

    def save_sbom(self, name: str, version: str, file: BinaryIO) -> str:
        """Write the CycloneDX document of a published version. Returns its SHA-256."""
        return self._download(f"/api/images/{segment(name)}/versions/{segment(version)}/sbom", file)

    def get_diff(self, name: str, before: str, after: str) -> Json:
        """What differs between two published versions."""
        versions = f"from={quote(before, safe='')}&to={quote(after, safe='')}"
        return self._ask("GET", f"/api/images/{segment(name)}/diff?{versions}").body

    def list_poison(self, state: str, limit: int) -> Iterator[Json]:
        """At most `limit` poisoned messages in a state (empty: any), newest first, page by page."""
        after, left = "", limit
        chosen = f"&state={quote(state, safe='')}" if state else ""
        for _ in range(_PAGE_LIMIT):
            page = self._ask("GET", f"/api/poison?limit=100&after={quote(after, safe='')}{chosen}").body
            for record in page["records"][:left]:
                left -= 1
                yield record
            following = page.get("next")
            if not left or not following or following == after:
                return
            after = following

    def requeue_poison(self, key: str) -> Json:
        """Send a poisoned message to its queue again; returns the record after that."""
        return self._ask("POST", f"/api/poison/{segment(key)}/requeue").body

    def dismiss_poison(self, key: str) -> None:
        """Put a poisoned message aside."""
        self._ask("DELETE", f"/api/poison/{segment(key)}")

    def cancel_build(self, identity: str, reason: str) -> Json:
        """Stop a build; returns the build after that. A second call changes nothing."""
        return self._ask("POST", f"/api/builds/{segment(identity)}/cancel", body={"reason": reason}).body

    def put_platform(
        self,
        catalog: Mapping[str, object],
        bundle: PackedBundle,
        *,
        drop_used: bool = False,
        canaries: Sequence[str] = (),
    ) -> Json:
        """Put platform steps and a catalog in force, or on trial. `drop_used` drops tools that images name, too."""
        body: dict[str, object] = {"bundle": str(bundle.digest), "catalog": catalog}
        if drop_used:  # left out otherwise: a factory of an older release refuses keys that it does not know
            body["drop_used"] = True
        if canaries:
            body["canaries"] = list(canaries)
        return self._ask("PUT", "/api/platform", body=body).body

    def plan_platform(
        self, catalog: Mapping[str, object], bundle: PackedBundle, canaries: Sequence[str]
    ) -> Json:
        """What these platform steps would rebuild. Uploads nothing."""
        body = {"bundle": str(bundle.digest), "catalog": catalog, "canaries": list(canaries)}
        return self._ask("POST", "/api/platform/plan", body=body).body

    def get_platform(self) -> Json:
        """The platform steps in force, and those on trial."""
        return self._ask("GET", "/api/platform").body

    def promote_trial(self, bundle: str, *, drop_used: bool, untried: bool, over_newer: bool) -> Json:
        """Put the steps on trial in force. A second call changes nothing."""
        body: dict[str, object] = {"bundle": bundle, "drop_used": drop_used, "untried": untried}
        if over_newer:  # left out otherwise, as `drop_used` of a registration
            body["over_newer"] = True
        return self._ask("POST", "/api/platform/promote", body=body).body

    def end_trial(self, bundle: str) -> Json:
        """Give the steps on trial up. A second call changes nothing."""
        return self._ask("POST", "/api/platform/end-trial", body={"bundle": bundle}).body

    def list_tools(self) -> list[Json]:
        """The files of tools that were asked for, or that the catalog in force names."""
        return list(self._ask("GET", "/api/platform/tools").body["tools"])

    def submit_tool(self, digest: str) -> Json:
        """Ask to bring a file: its record and, where it is wanted, the secret address that takes it."""
        return self._ask("POST", f"/api/platform/tools/{segment(digest)}").body

    def remove_tool(self, digest: str, reason: str) -> None:
        """Forget a file that is not admitted, or that no catalog names."""
        self._ask("POST", f"/api/platform/tools/{segment(digest)}/remove", body={"reason": reason})

    def get_policy(self, revision: int | None = None) -> Json:
        """The policy in force, or one version of it, with its ETag where it is in force."""
        answer = self._ask("GET", "/api/policy" if revision is None else f"/api/policy/versions/{revision}")
        return {**answer.body, "etag": answer.headers.get("ETag")}

    def find_policy_etag(self) -> str | None:
        """The version in force, also where its document is lost, or None where there is no policy yet."""
        try:
            return self._ask("GET", "/api/policy").headers.get("ETag", "")
        except CommandRefused as error:
            if error.status == 404:
                return None
            if error.etag:
                return error.etag
            raise

    def put_policy(self, document: Mapping[str, object], etag: str | None) -> ApiAnswer:
        """Put a policy in force over the version `etag`, or the first where it is None."""
        condition = {"If-None-Match": "*"} if etag is None else {"If-Match": etag}
        return self._ask("PUT", "/api/policy", body={"document": document}, headers=condition)

    def list_policy_versions(self) -> Iterator[Json]:
        """The versions that were put in force, newest first, page by page."""
        before: int | None = None
        for _ in range(_PAGE_LIMIT):
            more = "" if before is None else f"&before={before}"
            page = self._ask("GET", f"/api/policy/versions?limit={_PAGE}{more}").body
            yield from page["versions"]
            following = page.get("next")
            if not following or following == before:
                return
            before = following

    def list_sources(self) -> list[Json]:
        """Every source that was ever followed in the Marketplace."""
        return list(self._ask("GET", "/api/sources").body["sources"])

    def accept_release(self, source: str, release: str, reason: str) -> Json:
        """Let images of a source step down to this release; returns the source after that."""
        body = {"release": release, "reason": reason}
        return self._ask("POST", f"/api/sources/{segment(source)}/accept", body=body).body

    def list_approvals(self, chosen: str) -> Iterator[Json]:
        """Approvals of parents, page by page. `chosen` is the query, such as `&team=payments`."""
        for page in self._pages("/api/approvals", "", _PAGE, chosen, place="after"):
            yield from page["approvals"]

    def put_approval(self, parent: str, team: str, until: str | None, reason: str) -> Json:
        """Approve a team for a parent."""
        body = {"reason": reason, "until": until}
        return self._ask("PUT", f"/api/images/{segment(parent)}/approvals/{segment(team)}", body=body).body

    def ask_approval(self, parent: str, team: str, deed: str, reason: str) -> Json:
        """`withdraw` an approval, or `offer` a parent again."""
        path = f"/api/images/{segment(parent)}/approvals/{segment(team)}/{deed}"
        return self._ask("POST", path, body={"reason": reason}).body

    def list_bases(self, team: str) -> Iterator[Json]:
        """What a team may build on, page by page."""
        for page in self._pages("/api/bases", "", _PAGE, f"&team={quote(team, safe='')}", place="after"):
            yield from page["bases"]

    def list_waivers(self, chosen: str) -> Iterator[Json]:
        """Waivers that are asked for or granted, page by page. `chosen` is the query, such as `&asked=true`."""
        for page in self._pages("/api/waivers", "", _PAGE, chosen, place="after"):
            yield from page["waivers"]

    def grant_waiver(self, image: str, body: Json) -> Json:
        """Grant a waiver: `kind`, `rule`, `path`, `until` and `reason`."""
        return self._ask("PUT", f"/api/images/{segment(image)}/waivers", body=body).body

    def withdraw_waiver(self, image: str, body: Json) -> Json:
        """End a waiver: `kind`, `rule`, `path` and `reason`."""
        return self._ask("POST", f"/api/images/{segment(image)}/waivers/withdraw", body=body).body

    def list_receivers(self, image: str, cursor: str, size: int) -> Iterator[Json]:
        """Pages of receivers by id, of one image or all, from a cursor (empty: the first) to the end."""
        return self._pages("/api/receivers", cursor, size, f"&image={segment(image)}" if image else "")

    def ask_receiver(self, method: str, receiver: str, deed: str = "", body: Json | None = None) -> Json:
        """Look at a receiver (GET), remove it (DELETE), or do something with it (POST and the `deed`)."""
        path = f"/api/receivers/{segment(receiver)}" + (f"/{deed}" if deed else "")
        return self._ask(method, path, body=body).body

    def add_receiver(self, body: Json) -> Json:
        """Add a receiver for the whole fleet; with `replace` change what it wants."""
        return self._ask("POST", "/api/receivers", body=body).body

    def include_version(self, name: str, version: str, reason: str) -> Json:
        """Let a version that was taken out of `latest` be used again; returns its record."""
        path = f"/api/images/{segment(name)}/versions/{segment(version)}/include"
        return self._ask("POST", path, body={"reason": reason}).body

    def list_versions(self, name: str) -> Json:
        """The live versions of an image, also of a deleted one."""
        return self._ask("GET", f"/api/images/{segment(name)}/versions").body

    def list_names(self) -> Iterator[Json]:
        """Every reserved name of a deleted image, page by page."""
        for page in self._pages("/api/names", "", _PAGE, place="after"):
            yield from page["names"]

    def hand_over_name(self, name: str, to: str, reason: str) -> Json:
        """Reserve the name of a deleted image for another team; returns the reservation."""
        body = {"to": to, "reason": reason}
        return self._ask("POST", f"/api/names/{segment(name)}/handover", body=body).body

    def show_galleries(self) -> Json:
        """The images whose gallery differs from what the factory believes."""
        return self._ask("GET", "/api/galleries").body

    def accept_galleries(self, reason: str) -> Json:
        """Believe what the galleries show, for an hour; returns the images that differ."""
        return self._ask("POST", "/api/galleries/accept", body={"reason": reason}).body

    def get_pause(self) -> Json:
        """Whether SecOps have paused the factory."""
        return self._ask("GET", "/api/pause").body

    def pause(self, reason: str) -> Json:
        """Pause the factory. `state` of the answer is `pausing` while a creation is under way."""
        return self._ask("PUT", "/api/pause", body={"reason": reason}).body

    def resume(self, reason: str) -> Json:
        """End the pause of the factory."""
        return self._ask("POST", "/api/resume", body={"reason": reason}).body

    def list_outages(self) -> list[Json]:
        """The open platform breakers."""
        return list(self._ask("GET", "/api/outages").body["breakers"])

    def retry(self, error_class: str) -> tuple[list[str], list[str]]:
        """End the outage of one class, page by page; returns the scopes that were closed, and the images."""
        closed: list[str] = []
        images: list[str] = []
        after = ""
        for _ in range(_PAGE_LIMIT):
            page = self._ask("POST", "/api/outages/retry", body={"class": error_class, "after": after}).body
            closed += page["closed"]
            images += page["images"]
            following = page.get("next")
            if not following or following == after:
                break
            after = following
        return closed, images

    def get_provenance(self, name: str, version: str) -> Json:
        """A live version as its gallery shows it, with the signed statement about it."""
        return self._ask("GET", f"/api/images/{segment(name)}/versions/{segment(version)}/provenance").body

    def list_provenance_keys(self) -> list[Json]:
        """The public keys that the factory signs provenance with, as JSON Web Keys."""
        return list(self._ask("GET", "/api/provenance/keys").body.get("keys", ()))

    def rebuild_state(self, after: str, *, force: bool) -> Json:
        """Take one step of deriving lost records again, from the cursor `after`."""
        return self._ask("POST", "/api/state/rebuild", body={"after": after, "force": force}).body

    def _pages(
        self, path: str, cursor: str, size: int, chosen: str = "", *, place: str = "cursor"
    ) -> Iterator[Json]:
        """The pages of a list, at least one, from a cursor to the end; `place` is the cursor's parameter."""
        for _ in range(_PAGE_LIMIT):
            page = self._ask("GET", f"{path}?{place}={quote(cursor, safe='')}&limit={size}{chosen}").body
            yield page
            following = page.get("next")
            if not following or following == cursor:
                return
            cursor = following


def _levels_of(parents: Mapping[str, str | None]) -> list[list[str]]:
    """The names by level, roots first. An image whose parent is not among them counts as a root."""
    levels: list[list[str]] = []
    for name in sorted(parents):
        level, here = 0, parents[name]
        while (
            here is not None and here in parents and level < len(parents)
        ):  # pages of two moments may make a cycle
            level, here = level + 1, parents[here]
        levels += [[] for _ in range(level + 1 - len(levels))]
        levels[level].append(name)
    return levels
