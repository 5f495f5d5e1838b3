"""What a head says about the image: to the table of rights, and to a build that starts from its version."""

from pipeline_core.domain import images
from pipeline_core.domain.access_table import SubjectKind
from tests.unit.domain import factories as make
from tests.unit.domain.factories import BASE, CHILD


def test_an_image_without_a_parent_is_a_base_for_the_table_of_rights() -> None:
    base, child = make.registration(BASE).subject, make.registration(CHILD, BASE).subject
    assert (base.kind, child.kind) == (SubjectKind.BASE, SubjectKind.TEAM_IMAGE)
    assert (child.name, child.team) == (str(CHILD), make.registration(CHILD, BASE).team)


def test_a_build_keeps_what_made_the_version_that_it_starts_from() -> None:
    base, *below = make.settled_chain()
    heads = {each.name: each for each in (base, *below)}
    child = below[0]
    around = make.world(base, *below, newest=make.OLD)
    inputs = make.desired(child.name, around)
    facts = images.parent_facts(inputs, heads)
    assert base.current is not None
    assert facts is not None
    assert (facts.gallery, facts.build) == (base.registration.gallery, base.current.build)
    assert images.parent_facts(inputs, {}) is None
    assert images.parent_facts(make.desired(base.name, around), heads) is None


def test_a_build_names_the_report_that_judged_it() -> None:
    assert make.build().judged is None
    judged = make.build(verify_result=make.digest("a"), verify_attempt=2).judged
    assert judged is not None
    assert (judged.attempt, judged.digest) == (2, make.digest("a"))
