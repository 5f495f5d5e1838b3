"""Whether a statement holds for a version: a truth table, and what the digest of tags is made of."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_core.domain import attempts, proofs
from pipeline_core.domain.errors import ErrorClass, NotProven, Owner
from pipeline_core.domain.names import Digest, RebuildToken
from pipeline_core.domain.proofs import Proof, PublicationRecord, VersionFacts, VersionInGallery
from pipeline_core.domain.verdicts import Verdict
from tests.unit.domain import factories

ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/live/images/app/versions/9.1.1"
TAGS = {
    "imagefactory-build": "app.0123456789ab.1",
    "imagefactory-fingerprint": "f" * 64,
    "imagefactory-provenance": "a" * 64,
    "imagefactory-token": "",
    "cost-center": "42",
}
PROOF = Proof(
    digest=Digest("a" * 64),
    subject=ID,
    tags=proofs.tags_digest(TAGS),
    build="app.0123456789ab.1",
    fingerprint="f" * 64,
    verdicts=(
        Verdict(gate="boot", passed=True, evidence=""),
        Verdict(gate="hygiene", passed=True, evidence="", simulated=True),
    ),
)
TAGGED_VERSION = VersionInGallery(subject=ID, tags=TAGS, image="app", version="9.1.1")


def refused(proof: Proof = PROOF, tagged_version: VersionInGallery = TAGGED_VERSION) -> list[str]:
    return [each.name for each in proofs.compare(proof, tagged_version) if not each.holds]


def tagged(**changed: str) -> VersionInGallery:
    return replace(
        TAGGED_VERSION, tags={**TAGS, **{f"imagefactory-{name}": text for name, text in changed.items()}}
    )


def test_a_version_that_is_what_was_signed_for_raises_no_doubt() -> None:
    findings = proofs.compare(PROOF, TAGGED_VERSION)
    assert proofs.doubts(findings) == ""
    assert [each.name for each in findings] == [
        "statement",
        "subject",
        "image",
        "tags",
        "build",
        "fingerprint",
        "gates",
    ]
    assert PROOF.simulated == ("hygiene",)


@pytest.mark.parametrize(
    ("tagged_version", "wanted"),
    [
        (replace(TAGGED_VERSION, subject=ID.upper()), []),
        (replace(TAGGED_VERSION, subject=ID.replace("9.1.1", "9.1.2")), ["subject"]),
        (replace(TAGGED_VERSION, subject=ID.replace("/app/", "/other/")), ["subject"]),
        (replace(TAGGED_VERSION, subject=""), ["subject"]),
        (replace(TAGGED_VERSION, image="other"), ["image"]),
        (replace(TAGGED_VERSION, version="9.1.2"), ["image"]),
        (replace(TAGGED_VERSION, tags={**TAGS, "cost-center": "43"}), []),
        (replace(TAGGED_VERSION, tags={name.upper(): text for name, text in TAGS.items()}), []),
        (replace(TAGGED_VERSION, tags={}), ["statement", "tags", "build", "fingerprint"]),
        (tagged(token="t"), ["tags"]),
        (tagged(new="t"), ["tags"]),
        (tagged(provenance="b" * 64), ["statement"]),
        (tagged(build="app.0123456789ab.2"), ["tags", "build"]),
        (tagged(fingerprint="e" * 64), ["tags", "fingerprint"]),
    ],
)
def test_what_is_shown_is_held_against_what_was_said(
    tagged_version: VersionInGallery, wanted: list[str]
) -> None:
    assert refused(tagged_version=tagged_version) == wanted


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"image": "app", "version": "9.1.1"}, []),
        ({"image": "other"}, ["image"]),
        ({"version": "9.1.2"}, ["image"]),
        ({"subject": "anything"}, ["subject", "image"]),
    ],
)
def test_a_statement_is_about_what_was_asked_for_by_every_name_in_it(
    said: dict[str, str], wanted: list[str]
) -> None:
    proof = replace(PROOF, **said)  # type: ignore[arg-type]
    assert refused(proof) == wanted


def test_a_statement_about_another_version_is_refused_by_its_name() -> None:
    """A server in the place of the factory may replay the true statement of another image, with its subject."""
    asked = replace(TAGGED_VERSION, image="payments-api", version="1.1.1")
    assert proofs.doubts(proofs.compare(PROOF, asked)) == (
        'the statement is about "app@9.1.1", not about payments-api@1.1.1'
    )


AT = datetime(2026, 11, 21, 9, 30, 1, 555_903, tzinfo=UTC)
SOURCE = ID.replace("/live/", "/quarantine/")
SOURCED = replace(PROOF, source=SOURCE)
FACTS = VersionFacts(source=SOURCE, published_at=AT, disk_gb=64)
PUBLISHED = PublicationRecord(statement="a" * 64, subject=ID, tags=PROOF.tags, facts=FACTS)
SHOWN = replace(TAGGED_VERSION, facts=FACTS)


def judged(publication: PublicationRecord | None, facts: VersionFacts, proof: Proof = SOURCED) -> list[str]:
    """What does not hold, and with a question mark what is not proven."""
    checks = proofs.compare_publication(proof, publication, replace(SHOWN, facts=facts))
    assert [each.name for each in checks] == ["source", "publication"]
    return [
        each.name if not each.holds else f"{each.name}?"
        for each in checks
        if not each.holds or not each.is_proven
    ]


ELSEWHERE = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("publication", "facts", "wanted"),
    [
        (PUBLISHED, FACTS, []),
        (PUBLISHED, replace(FACTS, source=SOURCE.upper(), published_at=AT.astimezone(ELSEWHERE)), []),
        (PUBLISHED, replace(FACTS, source=SOURCE.replace("/app/", "/evil/")), ["source"]),
        (PUBLISHED, replace(FACTS, source=""), ["source"]),
        (PUBLISHED, replace(FACTS, published_at=AT + timedelta(microseconds=1)), ["publication"]),
        (PUBLISHED, replace(FACTS, published_at=None), ["publication"]),
        (PUBLISHED, replace(FACTS, disk_gb=65), ["publication"]),
        (PUBLISHED, replace(FACTS, disk_gb=None), ["publication"]),
        (replace(PUBLISHED, statement="b" * 64), FACTS, ["publication"]),
        (replace(PUBLISHED, subject=ID.replace("/app/", "/evil/")), FACTS, ["publication"]),
        (replace(PUBLISHED, tags="b" * 64), FACTS, ["publication"]),
        (None, FACTS, ["publication"]),
        (None, VersionFacts(), ["source?", "publication"]),
        (replace(PUBLISHED, facts=VersionFacts()), VersionFacts(), ["source?", "publication?"]),
        (replace(PUBLISHED, facts=replace(FACTS, source="")), replace(FACTS, source=""), ["source?"]),
        (replace(PUBLISHED, facts=replace(FACTS, source="")), FACTS, []),
        (replace(PUBLISHED, facts=replace(FACTS, published_at=None)), FACTS, ["publication?"]),
        (replace(PUBLISHED, facts=replace(FACTS, disk_gb=None)), FACTS, ["publication?"]),
        (replace(PUBLISHED, facts=replace(FACTS, disk_gb=None)), replace(FACTS, disk_gb=None), []),
        (replace(PUBLISHED, facts=VersionFacts()), FACTS, ["publication?"]),
        (
            replace(PUBLISHED, facts=replace(FACTS, published_at=None)),
            replace(FACTS, disk_gb=65),
            ["publication"],
        ),
        (
            replace(PUBLISHED, facts=replace(FACTS, disk_gb=None)),
            replace(FACTS, published_at=AT + timedelta(microseconds=1)),
            ["publication"],
        ),
        (replace(PUBLISHED, tags="b" * 64, facts=VersionFacts()), FACTS, ["publication"]),
    ],
)
def test_a_version_is_the_one_that_was_copied(
    publication: PublicationRecord | None, facts: VersionFacts, wanted: list[str]
) -> None:
    assert judged(publication, facts) == wanted


@pytest.mark.parametrize(
    ("facts", "detail"),
    [
        (
            replace(FACTS, published_at=None),
            "the record of its publication does not say when the version was published",
        ),
        (replace(FACTS, disk_gb=None), "the record of its publication does not say how large its disk is"),
        (
            VersionFacts(source=SOURCE),
            "the record of its publication does not say when the version was published and how large its disk is",
        ),
    ],
)
def test_what_the_record_lacks_is_named(facts: VersionFacts, detail: str) -> None:
    _, check = proofs.compare_publication(SOURCED, replace(PUBLISHED, facts=facts), SHOWN)
    assert (check.holds, check.is_proven, check.detail) == (True, False, detail)


@pytest.mark.parametrize("publication", [None, PUBLISHED])
def test_a_statement_of_an_older_release_holds_and_proves_neither(
    publication: PublicationRecord | None,
) -> None:
    assert judged(publication, VersionFacts(), PROOF) == ["source?", "publication?"]


def test_both_times_of_publication_are_named() -> None:
    later = replace(SHOWN, facts=replace(FACTS, published_at=AT + timedelta(days=1)))
    text = proofs.doubts(proofs.compare_publication(SOURCED, PUBLISHED, later))
    assert '"2026-11-21T09:30:01.555903+00:00" by the record of its publication' in text
    assert '"2026-11-22T09:30:01.555903+00:00" by the version' in text
    none = proofs.doubts(proofs.compare_publication(SOURCED, None, later))
    assert none == "no signed record says that the version was published at 2026-11-22T09:30:01.555903+00:00"
    undated = proofs.doubts(proofs.compare_publication(SOURCED, None, TAGGED_VERSION))
    assert undated == "no signed record says that the version was published at all"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-11-21T09:30:01.5559031+00:00", AT),  # as Azure shows it
        ("2026-11-21T09:30:01.555903Z", AT),
        ("2026-11-21T11:30:01.555903+02:00", AT),
        ("2026-11-21T09:30:01.555903", None),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_time_is_read_in_every_form_that_has_a_zone(text: object, wanted: datetime | None) -> None:
    assert proofs.parse_published(text) == wanted


@pytest.mark.parametrize(
    ("verdicts", "detail"),
    [
        ((), "there is no verdict of boot, hygiene"),
        (PROOF.verdicts[:1], "there is no verdict of hygiene"),
        (
            (*PROOF.verdicts, Verdict(gate="goss", passed=False, evidence="2 failed")),
            "it did not pass goss",
        ),
        (
            (replace(PROOF.verdicts[0], passed=False), PROOF.verdicts[1]),
            "it did not pass boot",
        ),
    ],
)
def test_a_version_must_have_passed_what_nobody_can_decline(
    verdicts: tuple[Verdict, ...], detail: str
) -> None:
    findings = proofs.compare(replace(PROOF, verdicts=verdicts), TAGGED_VERSION)
    assert proofs.doubts(findings) == detail


def test_a_doubt_quotes_both_sides_and_obeys_nothing_in_them() -> None:
    text = proofs.doubts(proofs.compare(PROOF, tagged(build="\x1b[2J" + "x" * 1000)))
    assert '"app.0123456789ab.1" by the statement' in text
    assert "\x1b" not in text
    assert len(text) < 1000
    assert "nothing by the version" in proofs.doubts(
        proofs.compare(PROOF, replace(TAGGED_VERSION, subject=""))
    )


@given(tags=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=6))
def test_only_our_tags_enter_the_digest_in_any_order_and_case(tags: dict[str, str]) -> None:
    mixed = {**{name: text for name, text in tags.items() if not name.lower().startswith("imagefactory-")}}
    ours = {"Imagefactory-Build": "b", "imagefactory-image": "\ud800"}
    wanted = proofs.tags_digest({"imagefactory-build": "b", "imagefactory-image": "\ud800"})
    assert proofs.tags_digest({**mixed, **ours}) == wanted
    assert proofs.tags_digest({**dict(reversed(ours.items())), **mixed}) == wanted


def test_the_digest_of_tags_is_that_of_sorted_json_without_white_space() -> None:
    # printf '{"imagefactory-build":"é","imagefactory-token":""}' | sha256sum
    tags = {"imagefactory-token": "", "imagefactory-build": "é", "imagefactory-provenance": "x"}
    assert proofs.tags_digest(tags) == "8ccc59f9900e43aedfc8efce4d6162b7fd89feca192874ac5726f0d625d92715"


def test_the_statement_is_named_by_one_tag_only() -> None:
    assert proofs.provenance_of(TAGS) == "a" * 64
    assert proofs.provenance_of({"ImageFactory-Provenance": "b"}) == "b"
    assert proofs.provenance_of({}) == ""


def test_the_tags_of_a_build_tell_its_inputs_and_not_its_provenance() -> None:
    build = factories.build()
    tags = proofs.tags_of(build)
    assert attempts.PROVENANCE_TAG not in tags
    assert all(name.startswith(attempts.TAG_PREFIX) for name in tags)
    assert (tags["imagefactory-build"], tags["imagefactory-token"]) == (str(build.id), "")
    asked = replace(build, inputs=replace(build.inputs, token=RebuildToken("by-hand")))
    assert proofs.tags_of(asked)["imagefactory-token"] == "by-hand"


def test_what_is_not_proven_is_for_secops_to_look_at_and_never_tried_again() -> None:
    error = NotProven("why")
    assert error.error_class is ErrorClass.PROVENANCE
    assert (error.error_class.is_transient, error.error_class.owner) == (False, Owner.PLATFORM)
