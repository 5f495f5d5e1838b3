"""Which step runs: by titles that only the step itself can print, and up to the moment that counts."""

from builder.packer import progress, provisioners
from builder.packer.progress import StepProgress
from tests.unit.builder import samples

PLAN = provisioners.plan(
    samples.child_job(), frozenset(samples.BUNDLE), frozenset(samples.PLATFORM), "the run's secret"
)
OFF = "2026-11-21T11:00:00Z: ==> azure-arm.image: Powering off machine ...\n"
DELETING = "==> azure-arm.image: Deleting Virtual Machine deployment and its attached resources...\n"
ERRORS = "==> azure-arm.image: Provisioning step had errors: Running the cleanup provisioner, if present...\n"


def test_each_script_prints_the_mark_of_its_step_and_the_titles_are_shown_without() -> None:
    assert len({step.mark for step in PLAN.steps}) == len(PLAN.steps)
    for step, script in zip(PLAN.steps, PLAN.scripts, strict=True):
        assert step.printed in script.content
        assert step.mark not in step.title
    unmarked = provisioners.plan(samples.child_job(), frozenset(samples.BUNDLE), frozenset(samples.PLATFORM))
    assert {step.printed for step in unmarked.steps} == {step.title for step in unmarked.steps}


def test_the_steps_of_the_platform_are_ours_and_the_others_are_the_teams() -> None:
    kinds = [(step.title.split(": ", 1)[1], step.is_ours) for step in PLAN.steps]
    theirs = [title for title, is_ours in kinds if not is_ours]
    assert theirs == ["shell: scripts/install.sh", "ansible: playbook.yml", "file: files/app.conf"]
    for step in PLAN.steps:
        assert progress.of_title(step.title).is_ours is step.is_ours


def test_a_title_without_its_mark_counts_for_nothing() -> None:
    followed = StepProgress(PLAN.steps)
    followed.take([_line(PLAN.steps[4].printed)])
    followed.take([_line(PLAN.steps[-1].title), _line(f"{PLAN.steps[-1].title} [00000000]")])
    assert followed.step is PLAN.steps[4]


def test_the_steps_have_ended_when_packer_goes_on_after_the_last() -> None:
    followed = StepProgress(PLAN.steps)
    for step in PLAN.steps:
        followed.take([OFF, _line(step.printed)])  # what a script of the team prints on stderr
        assert not followed.has_ended
    followed.take(["x" * 70_000, OFF])
    assert followed.has_ended
    assert followed.step is PLAN.steps[-1]


def test_a_clean_up_after_an_error_or_an_interrupt_is_not_the_end_of_the_steps() -> None:
    for is_error in (True, False):
        followed = StepProgress(PLAN.steps)
        followed.take([_line(PLAN.steps[-1].printed)])
        if is_error:
            followed.take([ERRORS])
        else:
            followed.stop()
        followed.take([DELETING])
        assert not followed.has_ended


def _line(said: str) -> str:
    return f"    azure-arm.image: imagefactory: {said}\n"
