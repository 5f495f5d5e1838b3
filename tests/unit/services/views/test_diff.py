"""What differs between two versions of an image: from records and evidence to an answer, or to a clear refusal."""

from dataclasses import replace

import pytest

from pipeline_core.domain.builds import Build
from pipeline_core.domain.differences import ChangeKind
from pipeline_core.domain.errors import ErrorClass, NotFound, PermanentError
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.versions import GalleryVersion
from pipeline_core.services.views.views import Compared
from pipeline_core.state import images as records
from simulation.world import SimulatedWorld
from tests.unit.services import kept, scenes
from tests.unit.services.scenes import BASE

PACKAGES = "packages.json"


@pytest.fixture
def made() -> SimulatedWorld:
    """A base in two published versions."""
    world = scenes.settled({"rhel9-base": None})
    scenes.released(world)
    world.drain()
    return world


@pytest.fixture
def builds(made: SimulatedWorld) -> tuple[Build, Build]:
    old, new = scenes.builds(made, BASE)
    return old, new


def version(build: Build) -> GalleryVersion:
    assert build.version is not None
    return build.version


def compare(made: SimulatedWorld, builds: tuple[Build, Build]) -> Compared:
    old, new = builds
    return made.factory.version_diff.diff(BASE, version(old), version(new))


def test_two_versions_are_compared_by_what_their_builds_kept(
    made: SimulatedWorld, builds: tuple[Build, Build]
) -> None:
    old, new = builds
    notice = {
        "id": "RHSA-2026:1",
        "kind": "security",
        "severity": "important",
        "packages": ["openssl-1:3.2-1.el9.x86_64"],
    }
    kept.keep(
        made,
        old,
        {PACKAGES: kept.encoded([kept.package("openssl", "3.1", epoch=1), kept.package("gone")])},
        scan=kept.scan("a", "b", score=88.0),
    )
    kept.keep(
        made,
        new,
        {
            PACKAGES: kept.encoded([kept.package("openssl", "3.2", epoch=1), kept.package("new")]),
            "advisories.json": kept.encoded({"known": True, "installed": [notice]}),
        },
        scan=kept.scan("b", "c", score=90.5),
    )
    found = compare(made, builds)
    assert (found.image, found.before_build, found.after_build) == ("rhel9-base", str(old.id), str(new.id))
    assert (found.before, found.after) == (str(old.version), str(new.version))
    assert [(each.name, each.kind) for each in found.packages] == [
        ("gone", ChangeKind.REMOVED),
        ("new", ChangeKind.ADDED),
        ("openssl", ChangeKind.UPGRADED),
    ]
    assert found.fixed is not None
    assert [note.id for note in found.fixed] == ["RHSA-2026:1"]
    assert found.compliance.newly_failing is not None
    assert [each.rule for each in found.compliance.newly_failing] == ["c"]
    assert not found.simulated
    back = made.factory.version_diff.diff(BASE, version(new), version(old))
    assert [(each.name, each.kind) for each in back.packages][2] == ("openssl", ChangeKind.DOWNGRADED)


@pytest.mark.parametrize("where", ["packages", "scan"])
def test_a_simulated_side_is_reported(made: SimulatedWorld, builds: tuple[Build, Build], where: str) -> None:
    old, new = builds
    kept.keep(made, old, {PACKAGES: kept.encoded([kept.package("a", simulated=where == "packages")])})
    kept.keep(
        made, new, {PACKAGES: kept.encoded([kept.package("a")])}, scan=kept.scan(simulated=where == "scan")
    )
    assert compare(made, builds).simulated


def test_the_last_attempt_that_succeeded_counts(made: SimulatedWorld, builds: tuple[Build, Build]) -> None:
    for build in builds:
        kept.keep(made, build, {PACKAGES: b"[]"}, succeeded=False)
        kept.keep(
            made, build, {PACKAGES: kept.encoded([kept.package("a", str(build.version))])}, place="verify-2"
        )
        made.ports.blobs.append("builds", f"{build.id}/verify-3/log.txt", b"evicted\n")
    (change,) = compare(made, builds).packages
    assert change.kind is ChangeKind.UPGRADED


def test_a_version_is_found_although_another_is_current(
    made: SimulatedWorld, builds: tuple[Build, Build]
) -> None:
    old, _ = builds
    kept.keep(made, old, {"sbom.cdx.json": b'{"bomFormat": "CycloneDX"}'})
    found = made.factory.version_diff.sbom(BASE, version(old))
    assert found.content == b'{"bomFormat": "CycloneDX"}'


@pytest.mark.parametrize(
    ("image", "text"),
    [(BASE, "9.20000101.1"), (ImageName("nobody"), "9.20261121.1")],
    ids=["version", "image"],
)
def test_a_version_that_no_record_knows_is_not_found(
    made: SimulatedWorld, image: ImageName, text: str
) -> None:
    with pytest.raises(NotFound, match=f"version {text} of {image}: GET /api/images/{image}"):
        made.factory.version_diff.sbom(image, GalleryVersion.parse(text))


def test_the_version_of_a_build_that_failed_is_none(
    made: SimulatedWorld, builds: tuple[Build, Build]
) -> None:
    old, _ = builds
    stored = scenes.stored(made, old.id)
    scenes.images(made).commit([records.put_build(replace(stored.value, result=None), etag=stored.etag)])
    with pytest.raises(NotFound):
        made.factory.version_diff.sbom(BASE, version(old))


def test_a_current_version_whose_build_row_is_lost_is_not_found(
    made: SimulatedWorld, builds: tuple[Build, Build]
) -> None:
    _, new = builds
    head = scenes.images(made).get_head(BASE)
    assert head.value.current is not None
    lost = replace(
        head.value.current, build=type(new.id)("rhel9-base.000000000000.1"), version=GalleryVersion(9, 1, 1)
    )
    scenes.images(made).commit([records.put_head(replace(head.value, current=lost), etag=head.etag)])
    with pytest.raises(NotFound, match="records were lost"):
        made.factory.version_diff.sbom(BASE, GalleryVersion(9, 1, 1))


def test_a_build_from_before_there_were_lists_is_not_found(
    made: SimulatedWorld, builds: tuple[Build, Build]
) -> None:
    old, _ = builds
    kept.keep(made, old, {})
    with pytest.raises(NotFound, match=r"kept no 'packages\.json'"):
        compare(made, builds)
    with pytest.raises(NotFound, match=r"kept no 'sbom\.cdx\.json'"):
        made.factory.version_diff.sbom(BASE, version(old))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (PACKAGES, b"no json"),
        (PACKAGES, b"[]"),
        (PACKAGES, b"[" * 50_000),
        ("advisories.json", b"no json"),
        ("advisories.json", kept.encoded({"known": True, "installed": [1]})),
    ],
    ids=["no json", "empty", "deep", "advisories", "odd advisories"],
)
def test_a_list_that_cannot_be_read_is_refused_by_name(
    made: SimulatedWorld, builds: tuple[Build, Build], name: str, content: bytes
) -> None:
    good = {PACKAGES: kept.encoded([kept.BASH])}
    old, new = builds
    kept.keep(made, old, good)
    kept.keep(made, new, {**good, name: content})
    with pytest.raises(
        PermanentError, match=f"version {new.version} of rhel9-base: {name} cannot be read"
    ) as refused:
        compare(made, builds)
    assert refused.value.error_class is ErrorClass.CONFLICT


def test_a_list_that_was_changed_is_not_compared(made: SimulatedWorld, builds: tuple[Build, Build]) -> None:
    for build in builds:
        kept.keep(made, build, {PACKAGES: kept.encoded([kept.BASH])})
    kept.overwrite(made, builds[0], f"verify-1/{PACKAGES}", kept.encoded([kept.package("forged")]))
    with pytest.raises(PermanentError, match="is not the reported file"):
        compare(made, builds)


def test_a_comparison_costs_few_reads(made: SimulatedWorld, builds: tuple[Build, Build]) -> None:
    for build in builds:
        kept.keep(made, build, {PACKAGES: kept.encoded([kept.BASH]), "advisories.json": b'{"known": false}'})
    asked = []

    class Counting:
        def __getattr__(self, name: str) -> object:
            def call(*given: object, **named: object) -> object:
                asked.append(name)
                return getattr(made.ports.blobs, name)(*given, **named)

            return call

    scenes.rewired(made, blobs=Counting())
    compare(made, builds)
    assert sorted(asked) == ["list"] * 2 + ["read"] * 6
