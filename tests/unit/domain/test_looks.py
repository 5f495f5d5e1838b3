"""The note of a look: what a sweep and a list need to know about an image without reading anything else."""

from dataclasses import replace

import pytest

from pipeline_core.domain import chains, looks
from pipeline_core.domain.claims import Outcome
from pipeline_core.domain.images import Doubt, DoubtKind
from pipeline_core.domain.looks import LookNote
from pipeline_core.domain.names import ImageName
from pipeline_core.domain.platform_trials import PlatformTrial
from pipeline_core.domain.snapshot import Snapshot, take_snapshot
from pipeline_core.domain.staleness import Current, Platform, Stale, Unknown, detect_staleness
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD, GRANDCHILD, NEW, OLD

_TRIED = "9.20261102.1"


def _stale() -> Snapshot:
    return take_snapshot(BASE, make.world(*make.settled_chain(newest=OLD), newest=NEW))


def _claimed(outcome: Outcome) -> Snapshot:
    snapshot = _stale()
    stale = snapshot.find_stale(BASE)
    assert stale is not None
    claim = make.claim_on(stale.desired, outcome, detail="a long text")
    return replace(snapshot, claims={(BASE, stale.fingerprint): claim})


def test_a_note_has_the_root_and_the_parent_with_its_version() -> None:
    base, child, grandchild = make.settled_chain(newest=OLD)
    note = looks.note_of(take_snapshot(GRANDCHILD, make.world(base, child, grandchild, newest=OLD)))
    assert child.current is not None
    assert note == LookNote(root=BASE, parent=CHILD, parent_version=child.current.version)


def test_a_parent_that_its_gallery_does_not_show_is_not_noted() -> None:
    base, child, _ = make.settled_chain(newest=OLD)
    assert base.current is not None
    doubt = Doubt(kind=DoubtKind.GONE, version=base.current.version, since=make.NOW)
    note = looks.note_of(take_snapshot(CHILD, make.world(replace(base, doubt=doubt), child, newest=OLD)))
    assert note == LookNote(root=BASE)


def test_a_parent_with_steps_on_trial_is_not_noted_for_a_child_that_is_not_in_the_trial() -> None:
    base, child, _ = make.settled_chain(newest=OLD)
    trial = PlatformTrial(digest=make.digest("e"), images=(BASE,), since=make.NOW)
    tried = replace(make.PLATFORM, trial=trial)
    base = make.published(
        base, make.desired(BASE, replace(make.world(base, newest=OLD), platform=tried)), _TRIED
    )
    world = replace(make.world(base, child, newest=OLD), platform=tried)
    assert looks.note_of(take_snapshot(CHILD, world)) == LookNote(root=BASE)
    world = replace(world, platform=Platform(digest=trial.digest))
    assert looks.note_of(take_snapshot(CHILD, world)).parent == BASE, "it is promoted"


def test_the_note_of_a_root_has_no_parent() -> None:
    assert looks.note_of(_stale()) == LookNote(root=BASE)


def test_the_note_of_an_image_whose_parent_has_no_version_has_none_either() -> None:
    base, child, _ = make.settled_chain(newest=OLD)
    note = looks.note_of(take_snapshot(CHILD, make.world(replace(base, current=None), child, newest=OLD)))
    assert note == LookNote(root=BASE, parent=BASE)


def test_an_image_that_nobody_registered_has_a_note_all_the_same() -> None:
    assert looks.note_of(take_snapshot(ImageName("gone"), make.world(newest=OLD))) == LookNote(
        root=ImageName("gone")
    )


@pytest.mark.parametrize(
    ("outcome", "is_kept"),
    [
        (Outcome.FAILED, True),
        (Outcome.CANCELLED, True),
        (Outcome.WITHHELD, True),
        (Outcome.EXHAUSTED, True),
        (Outcome.IN_FLIGHT, False),
        (Outcome.SUCCEEDED, False),
        (Outcome.PRUNED, False),
        (Outcome.SUPERSEDED, False),
    ],
)
def test_a_note_keeps_a_claim_that_holds_the_image_back_without_its_text(
    outcome: Outcome, is_kept: bool
) -> None:
    claim = looks.note_of(_claimed(outcome)).claim
    assert (claim is not None) is is_kept
    assert claim is None or (claim.outcome, claim.detail) == (outcome, "")


def test_a_parent_that_is_known_by_its_version_alone_is_enough_for_the_staleness() -> None:
    base, child, _ = make.settled_chain(newest=OLD)
    assert base.current is not None
    alone = make.world(child, newest=OLD)
    assert isinstance(detect_staleness(CHILD, alone), Unknown)
    same = replace(alone, versions={BASE: base.current.version})
    assert isinstance(detect_staleness(CHILD, same), Current)
    newer = replace(base.current.version, sequence=base.current.version.sequence + 1)
    assert isinstance(detect_staleness(CHILD, replace(alone, versions={BASE: newer})), Stale)


def test_a_leaf_has_neither_a_height_nor_a_chain_below_it() -> None:
    head = make.settled_chain(newest=OLD)[0]
    leaf = replace(head, height=0, chain_seconds=None)
    assert chains.is_leaf(leaf)
    assert chains.is_leaf(replace(leaf, chain_seconds=0))
    assert not chains.is_leaf(replace(leaf, height=1))
    assert not chains.is_leaf(replace(leaf, chain_seconds=60))
