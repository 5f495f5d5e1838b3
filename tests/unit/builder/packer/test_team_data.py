"""Rule 11: what a team wrote is data for Packer too. No string of a team is ever a part of the template; it travels in
scripts, quoted, and reaches the guest as it is."""

import functools
import json
import shlex
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.packer import provisioners, template
from builder.packer.provisioners import ProvisionPlan
from pipeline_core.wire import job as wire
from pipeline_core.wire.job import BuildJob, Step
from tests.unit.builder import samples

BASH = shutil.which("bash") or "/bin/bash"
EVALUATED = [
    "{{ env `HOME` }}",
    "{{.Vars}}",
    "{{build `Password`}}",
    "{{ user `x` }}",
    '${file("/etc/passwd")}',
    '${env("IDENTITY_HEADER")}',
    "%{ if true }x%{ endif }",
    "${var.oidc_request_token}",
    "$(id)",
    "`id`",
    "'; id; '",
    '"; id; "',
    "a\nid\n",
    "--help",
    "\\",
    "{{",
    "}}",
    "$${a}",
    "%%{a}",
    "é{{ü}}",
]
NASTY = st.one_of(
    st.sampled_from(EVALUATED),
    st.lists(
        st.sampled_from(
            ["{{", "}}", "${", "%{", "}", "'", '"', "\\", "\n", " ", "$", "`", "a", ".Path", "-", "é"]
        ),
        max_size=8,
    ).map("".join),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30),
)
# Such as `image.yaml` lets through.
PLACES = NASTY.map(lambda text: text.replace("/", "").replace("\n", "").strip(".")).filter(bool)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
STEPS = st.one_of(
    st.builds(
        lambda path, env: Step(kind="shell", path=path, env=env), PLACES, st.dictionaries(NAMES, NASTY)
    ),
    st.builds(lambda path: Step(kind="ansible", path=path), PLACES),
    st.builds(lambda path, to: Step(kind="file", path=path, destination=f"/etc/{to}"), PLACES, PLACES),
)
HARMLESS = {
    "shell": Step(kind="shell", path="a"),
    "ansible": Step(kind="ansible", path="a"),
    "file": Step(kind="file", path="a", destination="/etc/a"),
}


def planned(job: BuildJob) -> tuple[ProvisionPlan, str]:
    """The plan and the text of the template."""
    names = {step.path for step in job.steps} | set(job.tests.smoke) | {job.tests.goss, job.tests.tailoring}
    plan = provisioners.plan(job, frozenset(names), frozenset(samples.PLATFORM))
    return plan, template.to_text(template.render(job, plan.blocks))


@pytest.mark.slow
@given(steps=st.lists(STEPS, max_size=4))
def test_the_template_of_a_build_is_the_same_whatever_a_team_has_written(steps: list[Step]) -> None:
    _, text = planned(samples.child_job(steps=tuple(steps)))
    _, plain = planned(samples.child_job(steps=tuple(HARMLESS[step.kind] for step in steps)))
    assert text == plain


@given(goss=PLACES, smoke=st.lists(PLACES, min_size=1, max_size=3))
def test_the_template_of_a_verify_run_is_the_same_whatever_a_team_has_written(
    goss: str, smoke: list[str]
) -> None:
    _, text = planned(samples.verify_job(tests=wire.Tests(goss=goss, smoke=tuple(smoke), profile="cis")))
    _, plain = planned(
        samples.verify_job(tests=wire.Tests(goss="a", smoke=("a",) * len(smoke), profile="cis"))
    )
    assert text == plain


OURS = ("{{ .Path }}", "{{ .Vars }}", "{{ .Script }}", "${build.Host}")


def test_the_only_expressions_of_a_template_are_our_own() -> None:
    for job in (samples.root_job(), samples.child_job(), samples.verify_job()):
        _, text = planned(job)
        rest = functools.reduce(lambda left, known: left.replace(known, ""), OURS, text)
        assert json.loads(text)
        assert [sign for sign in ("{{", "${", "%{") if sign in rest] == []


@given(step=STEPS)
def test_every_value_stands_whole_in_the_script_that_the_guest_runs(step: Step) -> None:
    plan, _ = planned(samples.child_job(steps=(step,)))
    (script,) = [script for script in plan.scripts if script.file.endswith(f"-{step.kind}.sh")]
    words = shlex.split(script.content)
    wanted = [f"{name}={value}" for name, value in step.env.items()]
    wanted += [step.destination] if step.kind == "file" else []
    assert [value for value in wanted if value not in words] == []
    # A path is given as it is, or below the folder of the bundle.
    assert any(word.endswith(step.path) for word in words)


@pytest.mark.process
@pytest.mark.parametrize("value", EVALUATED)
def test_a_shell_sees_the_very_value_and_evaluates_nothing(value: str) -> None:
    step = Step(kind="shell", path="a.sh", env={"VALUE": value})
    plan, _ = planned(samples.child_job(steps=(step,)))
    (script,) = [script for script in plan.scripts if script.file.endswith("-shell.sh")]
    start = script.content.index("export VALUE=")
    export = script.content[start : script.content.index("\ncd -- ", start)]
    done = subprocess.run(
        [BASH, "-c", f'{export}\nprintf %s "$VALUE"'],
        capture_output=True,
        check=True,
        timeout=10,
        env={"LC_ALL": "C.UTF-8"},
    )
    assert done.stdout.decode() == value
