"""Inputs from tags, definition and provenance are those that were built; else the version is not believed."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.adapters.memory.ports import MemoryPorts, twins
from pipeline_core.domain import attempts, proofs
from pipeline_core.domain.builds import Build, Phase
from pipeline_core.domain.fingerprint import BuildInputs, fingerprint
from pipeline_core.domain.names import (
    CampaignId,
    Digest,
    GalleryName,
    ImageName,
    RebuildToken,
    Region,
    build_id,
)
from pipeline_core.domain.reasons import Lane
from pipeline_core.domain.recipe import recipe_digest
from pipeline_core.domain.sources import MarketplaceSource, OriginVersion, ParentVersion, SourceVersion
from pipeline_core.domain.verdicts import Verdict
from pipeline_core.domain.versions import GalleryVersion, MarketplaceVersion
from pipeline_core.ports import GalleryImageVersion, VersionState
from pipeline_core.services.effects.documents import Documents
from pipeline_core.services.provenance.live_facts import LiveFacts
from pipeline_core.services.provenance.provenance import Provenance
from pipeline_core.services.provenance.publications import Publications
from pipeline_core.services.provenance.reports import VerifyReports
from pipeline_core.services.recovery.live_versions import LiveVersions
from pipeline_core.state.catalog.tools import ToolStore
from pipeline_core.state.images import ImageStore
from pipeline_core.wire.image_yaml import read as image_yaml
from pipeline_core.wire.report import BuildReport
from simulation import fleet, world
from tests.unit.services import scenes

LIVE = GalleryName("live")
NAME = ImageName("app")
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
VERSION = GalleryVersion(9, 20261121, 1)
VERDICTS = tuple(Verdict(gate=gate, passed=True, evidence="") for gate in ("boot", "hygiene"))
REPORT = BuildReport(
    build="app.0123456789ab.1",
    stage="verify",
    attempt=1,
    succeeded=True,
    packer="p",
    started_at=NOW,
    ended_at=NOW,
)

_digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
_numbers = st.integers(min_value=0, max_value=2**31 - 1)
_tools = st.tuples(
    st.from_regex(r"[a-z][a-z0-9]{0,8}([._-][a-z0-9]{1,4}){0,2}", fullmatch=True),
    st.from_regex(r"[0-9A-Za-z][0-9A-Za-z.+~@_-]{0,20}", fullmatch=True),
    _digests,
)
_catalogs = st.lists(_tools, max_size=4, unique_by=lambda tool: tool[0]).map(
    lambda tools: tuple(sorted(tools))
)
_tokens = st.none() | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,40}", fullmatch=True).map(RebuildToken)


def _origins(*, is_root: bool) -> st.SearchStrategy[OriginVersion]:
    if is_root:
        source = MarketplaceSource(**fleet.SOURCE, location=Region("westeurope"))
        versions = st.builds(MarketplaceVersion, _numbers, _numbers, st.integers(0, 10**12))
        return versions.map(lambda version: SourceVersion(source=source, version=version))
    versions_of_parent = st.builds(GalleryVersion, _numbers, _numbers, _numbers)
    return versions_of_parent.map(lambda version: ParentVersion(image=ImageName("base"), version=version))


@st.composite
def _cases(draw: st.DrawFn) -> tuple[bool, BuildInputs, Lane, int]:
    is_root = draw(st.booleans())
    inputs = BuildInputs(
        image=NAME,
        recipe=Digest("0" * 64),
        bundle=Digest(draw(_digests)),
        origin=draw(_origins(is_root=is_root)),
        platform=Digest(draw(_digests)),
        catalog=draw(_catalogs),
        period=draw(st.integers(0, 10**9)),
        token=draw(_tokens),
    )
    return is_root, inputs, draw(st.sampled_from(Lane)), draw(st.integers(1, 999_999))


def _published(ports: MemoryPorts, is_root: bool, inputs: BuildInputs, lane: Lane, generation: int) -> Build:
    """A version as a publication leaves it; the recipe of `inputs` becomes the definition's."""
    build = _copied(ports, is_root, inputs, lane, generation)
    (live,) = ports.galleries.list_versions(LIVE, NAME)
    _provenance(ports).attest(live)
    return build


def _copied(ports: MemoryPorts, is_root: bool, inputs: BuildInputs, lane: Lane, generation: int) -> Build:
    """A version as the copy leaves it, in `latest` and without the record of its publication."""
    documents = Documents(ports.blobs, Region("westeurope"))
    document = fleet.document(str(NAME), None if is_root else "base")
    definition = documents.store(image_yaml.definition_blob(document, inputs.bundle))
    inputs = replace(inputs, recipe=recipe_digest(documents.definition(definition)))
    digest = fingerprint(inputs)
    build = Build(
        id=build_id(NAME, digest, generation),
        image=NAME,
        team=scenes.team("secops"),
        fingerprint=digest,
        generation=generation,
        inputs=inputs,
        definition=definition,
        gallery=LIVE,
        reasons=(),
        lane=lane,
        campaign=CampaignId("test"),
        phase=Phase.PUBLISHING,
        seq=3,
        attempt=1,
        created_at=NOW,
        phase_since=NOW,
        priority="",
        version=VERSION,
    )
    build = replace(build, provenance=_provenance(ports).store(build, VERDICTS, REPORT))
    _add(ports, _tags(build))
    return build


def _tags(build: Build) -> dict[str, str]:
    return {**proofs.tags_of(build), attempts.PROVENANCE_TAG: str(build.provenance)}


def _provenance(ports: MemoryPorts) -> Provenance:
    return Provenance(
        images=ImageStore(ports.tables),
        tools=ToolStore(ports.tables),
        blobs=ports.blobs,
        signer=ports.signer,
        deployment=scenes.deployment_of(_WORLD),
        publications=Publications(blobs=ports.blobs, signer=ports.signer),
    )


def _add(ports: MemoryPorts, tags: dict[str, str]) -> None:
    shown = GalleryImageVersion(
        gallery=LIVE,
        image=NAME,
        version=VERSION,
        state=VersionState.READY,
        excluded_from_latest=False,
        tags=tags,
    )
    ports.galleries.add_version(shown)


def _reader(ports: MemoryPorts) -> LiveVersions:
    return LiveVersions(
        galleries=ports.galleries,
        facts=LiveFacts(
            images=ImageStore(ports.tables),
            documents=Documents(ports.blobs, Region("westeurope")),
            provenance=_provenance(ports),
            reports=VerifyReports(blobs=ports.blobs),
            clock=ports.clock,
        ),
    )


_WORLD = world.make()


@given(case=_cases())
def test_inputs_recovered_are_the_inputs_before(case: tuple[bool, BuildInputs, Lane, int]) -> None:
    ports = twins([LIVE])
    build = _published(ports, *case)
    found = _reader(ports).look(LIVE, NAME)
    (live,) = found.live
    assert live.published.inputs == build.inputs
    assert live.published.fingerprint == build.fingerprint == fingerprint(live.published.inputs)
    assert (live.published.build, live.published.lane) == (build.id, build.lane)
    assert (found.definition, found.doubted) == (build.definition, {})


_INPUTS = BuildInputs(
    image=NAME,
    recipe=Digest("0" * 64),
    bundle=Digest("1" * 64),
    origin=ParentVersion(image=ImageName("base"), version=VERSION),
    platform=Digest("2" * 64),
)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("definition", "ab" * 32),
        ("definition", "nothing"),
        ("fingerprint", "ab" * 32),
        ("image", "another"),
        ("build", "another.0123456789ab.1"),
        ("build", "app"),
        ("origin", "base@9.20261121.2"),
        ("origin", ""),
        ("period", "7"),
        ("period", "-1"),
        ("period", "x"),
        ("platform", "ab" * 32),
        ("provenance", "ab" * 32),
        ("provenance", "nothing"),
        ("token", "somebody"),
        ("token", "some body"),
    ],
)
def test_a_version_of_which_a_tag_was_changed_is_not_believed(tag: str, text: str) -> None:
    ports = twins([LIVE])
    build = _published(ports, False, _INPUTS, Lane.HUMAN, 1)
    _add(ports, {**_tags(build), f"imagefactory-{tag}": text})
    found = _reader(ports).look(LIVE, NAME)
    assert found.live == ()
    assert list(found.doubted) == [VERSION]
    assert found.numbers == (VERSION,)
    assert found.definition is None


def test_a_version_whose_statement_is_older_than_signatures_is_doubted_with_the_reason() -> None:
    ports = twins([LIVE])
    build = _published(ports, False, _INPUTS, Lane.HUMAN, 1)
    unsigned = twins([LIVE])
    for container, name in (
        ("provenance", f"{build.provenance}.json"),
        ("definitions", f"{build.definition}.json"),
    ):
        content = ports.blobs.read(container, name, limit=10**6)
        unsigned.blobs.create(container, name, content, media_type="application/json")
    _add(unsigned, _tags(build))
    found = _reader(unsigned).look(LIVE, NAME)
    assert found.live == ()
    assert "is not signed: the version is older than signatures are" in found.doubted[VERSION]


@pytest.mark.parametrize("excluded", [True, False])
def test_a_copy_without_its_record_is_believed_only_out_of_latest(excluded: bool) -> None:
    ports = twins([LIVE])
    _copied(ports, False, _INPUTS, Lane.HUMAN, 1)
    (live,) = ports.galleries.list_versions(LIVE, NAME)
    ports.galleries.add_version(replace(live, excluded_from_latest=excluded))
    found = _reader(ports).look(LIVE, NAME)
    assert [each.published.version for each in found.live] == ([VERSION] if excluded else [])
    assert list(found.doubted) == ([] if excluded else [VERSION])


def test_what_a_key_signed_that_is_disabled_since_is_doubted() -> None:
    ports = twins([LIVE])
    _published(ports, False, _INPUTS, Lane.HUMAN, 1)
    (key,) = ports.signer.trusted_keys()
    ports.signer.rotate()
    assert len(_reader(ports).look(LIVE, NAME).live) == 1
    ports.signer.disable(key)
    assert "no trusted key has signed" in _reader(ports).look(LIVE, NAME).doubted[VERSION]


def test_a_version_of_somebody_else_counts_as_a_number_only() -> None:
    ports = twins([LIVE])
    _add(ports, {})
    found = _reader(ports).look(LIVE, NAME)
    assert (found.live, found.doubted, found.numbers) == ((), {}, (VERSION,))
