"""Which steps run in the guest, and in which order. Pure: job and names in, scripts and Packer blocks out.

The platform's steps run before and after the team's, and a team cannot leave one out. A block names only files that
the builder named (`steps/03-shell.sh`). The team's text is inside those files.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from builder.packer import guest, ports, progress
from builder.packer.progress import PlannedStep
from builder.results import checks
from pipeline_core.domain.errors import ErrorClass, Owner, PermanentError
from pipeline_core.wire import packages as reported
from pipeline_core.wire.job import BuildJob, JobVolume, Step

Block = dict[str, object]

# Packer fills in `.Path`. sudo is needed because Azure's first user is not root.
# `-p`: bash reads no file of BASH_ENV and no exported function of the image before the script's first line.
_AS_ROOT = "chmod 0700 {{ .Path }}; sudo -n /bin/bash -p {{ .Path }}"
_CHECK = "hygiene-check"  # in the name of the script that ends the build stage
_RESTART = "restart"  # in the name of the script of `before/` that may restart the machine
_VERIFY = "platform/verify/run.sh"
# Kinds of the platform's steps. `ports` is the one that runs in the builder's container.
_PREPARE, _PLATFORM, _RESTARTS, _WAITS, _RENEW, _VERIFIES, _PORTS = (
    "prepare",
    "platform",
    "restart",
    "wait",
    "renew",
    "verify",
    "ports",
)
TOOLS = "tools"  # the folder of the work folder with the files of the job's tools
_SENT = {  # what a step finds in /tmp. Earlier steps have taken what was sent before, or a restart has
    _PREPARE: ("bundle.tar.gz", "platform.tar.gz", "catalog.json"),
    _RENEW: ("platform.tar.gz",),
}
# Packer's own words for one block. It may lose the connection of a script that restarts the machine. The next script
# is tried again, with a new upload, whatever its end: too early it ends with 75, or the machine goes down under it.
_WAYS: dict[str, Block] = {
    _RESTARTS: {"expect_disconnect": True, "skip_clean": True},
    _WAITS: {"max_retries": 30, "start_retry_timeout": "15m"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One script for the guest. `file` is its path in the work folder."""

    file: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionPlan:
    """The scripts to write beside the template, the provisioner blocks, and the result files to expect."""

    scripts: tuple[Script, ...]
    blocks: tuple[Block, ...]
    results: tuple[str, ...] = ()
    steps: tuple[PlannedStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    kind: str
    title: str
    text: Callable[[str], str]
    tools: tuple[str, ...] = ()  # files that are sent before it, by SHA-256

    @property
    def is_ours(self) -> bool:
        """True for a step of the platform."""
        return self.kind in (_PREPARE, _PLATFORM, _RESTARTS, _WAITS, _RENEW, _VERIFIES, _PORTS)


def plan(
    job: BuildJob,
    bundle: frozenset[str],
    platform: frozenset[str],
    key: str = "",
    probe: Sequence[str] = ("python3", "probe.py"),
    variables: Mapping[str, str] | None = None,
) -> ProvisionPlan:
    """The plan of one attempt. `bundle` and `platform` are the names in the two archives.

    `key` is a secret of this run, from which each title gets its mark; empty for titles without marks. `probe` are the
    words that start the probe of ports in the builder's container. `variables` are those of the platform for every
    step, such as a proxy. A team's own value of a name counts.

    Raises PermanentError (policy), which names every error in the job's steps.
    """
    theirs, ours = [*_step_problems(job, bundle)], [*_platform_problems(job, platform)]
    if theirs or ours:
        text = "these steps cannot run:\n" + "\n".join([*theirs, *ours])
        raise PermanentError(ErrorClass.POLICY, text, owner=None if theirs else Owner.PLATFORM)
    shared = variables or {}
    parts = (
        _verify_parts(job, probe, shared) if job.stage == "verify" else _build_parts(job, platform, shared)
    )
    scripts, steps = [], []
    for number, part in enumerate(parts):
        step = PlannedStep(
            title=f"step {number} of {len(parts) - 1}: {part.title}",
            is_ours=part.is_ours,
            mark=progress.mark_of(key, number),
        )
        steps.append(step)
        scripts.append(Script(file=f"steps/{number:02d}-{part.kind}.sh", content=part.text(step.printed)))
    blocks: list[Block] = []
    for part, script in zip(parts, scripts, strict=True):
        blocks += [_upload(name) for name in _SENT.get(part.kind, ())]
        blocks += [_upload_tool(digest) for digest in part.tools]
        blocks.append(
            ports.block(script.file)
            if part.kind == _PORTS
            else _run(script.file, _WAYS.get(part.kind, {}), is_last=script is scripts[-1])
        )
    results = _results(job)
    blocks += [_download(name) for name in results]
    return ProvisionPlan(scripts=tuple(scripts), blocks=tuple(blocks), results=results, steps=tuple(steps))


def _build_parts(job: BuildJob, platform: frozenset[str], shared: Mapping[str, str]) -> list[_Part]:
    before = _scripts(platform, "platform/before")
    # Nobody needs a tool before the restart, which would lose it.
    parts = [_prepare(job, with_tools=not any(map(_restarts, before)))]
    for position, name in enumerate(before):
        parts.append(_platform_part(job, name, shared))
        if _restarts(name):
            # Everything staged is in memory. A machine that did not restart is prepared again too.
            parts += [
                _Part(kind=_WAITS, title="platform: wait for the restart", text=guest.wait),
                _prepare(job, with_tools=not any(map(_restarts, before[position + 1 :]))),
            ]
    if job.is_root:
        parts += [_platform_part(job, name, shared) for name in _scripts(platform, "platform/roots")]
    parts += [_team_part(step, shared) for step in job.steps]
    # A team's step runs as root. It may have changed, on purpose or not, the files of the steps after it.
    parts.append(_Part(kind=_RENEW, title="platform: as it was", text=lambda title: _renewal(title, job)))
    parts += [_platform_part(job, name, shared) for name in _scripts(platform, "platform/after")]
    return parts


def _verify_parts(job: BuildJob, probe: Sequence[str], shared: Mapping[str, str]) -> list[_Part]:
    """One script of the platform makes all checks. It writes their results, and fails only if it cannot make them.

    The ports are tried before it, while the machine is as it booted: a team's test may start something.
    """
    tests = job.tests
    environment = {
        **shared,
        **_environment(job),
        "IMAGEFACTORY_GOSS": f"{guest.BUNDLE}/{tests.goss}" if tests.goss else "",
        "IMAGEFACTORY_PROFILE": tests.profile,
        "IMAGEFACTORY_RESULTS": guest.RESULTS,
        "IMAGEFACTORY_TAILORING": f"{guest.BUNDLE}/{tests.tailoring}" if tests.tailoring else "",
    }
    smoke = [f"{guest.BUNDLE}/{path}" for path in tests.smoke]

    def text(title: str) -> str:
        return guest.run_script(title, guest.PLATFORM, _VERIFY, environment, smoke, is_ours=True)

    tried = _Part(kind=_PORTS, title="platform: ports", text=lambda title: ports.script(title, probe))
    return [_prepare(job, with_tools=True), tried, _Part(kind=_VERIFIES, title="platform: verify", text=text)]


def _prepare(job: BuildJob, *, with_tools: bool) -> _Part:
    digests, tools = {"bundle": job.bundle, "platform": job.platform}, job.stored if with_tools else ()
    return _Part(
        kind=_PREPARE,
        title="prepare",
        text=lambda title: guest.prepare(title, digests, tools),
        tools=tools,
    )


def _renewal(title: str, job: BuildJob) -> str:
    return guest.renew(title, "platform", job.platform)


def _platform_part(job: BuildJob, name: str, shared: Mapping[str, str]) -> _Part:
    run = guest.run_playbook if name.endswith((".yml", ".yaml")) else guest.run_script
    environment = {**shared, **_environment(job), **(_waived(job) if _CHECK in name else {})}
    return _Part(
        kind=_RESTARTS if _restarts(name) else _PLATFORM,
        title=f"platform: {name}",
        text=lambda title: run(title, guest.PLATFORM, name, environment, is_ours=True),
    )


def _team_part(step: Step, shared: Mapping[str, str]) -> _Part:
    title = f"{step.kind}: {step.path}"
    if step.kind == "file":
        path = f"{guest.BUNDLE}/{step.path}"
        return _Part(
            kind="file", title=title, text=lambda shown: guest.install_file(shown, path, step.destination)
        )
    run = guest.run_playbook if step.kind == "ansible" else guest.run_script
    environment = {**shared, **step.env}
    return _Part(
        kind=step.kind, title=title, text=lambda shown: run(shown, guest.BUNDLE, step.path, environment)
    )


def _environment(job: BuildJob) -> dict[str, str]:
    """The variables that every script of the platform gets. What a definition does not ask for has none."""
    fips = "1" if job.is_root else "inherited"
    asked = {
        "IMAGEFACTORY_FIPS": fips if job.hardening.fips else "",
        "IMAGEFACTORY_HARDENING": job.hardening.profile,
        "IMAGEFACTORY_VOLUMES": "\n".join(map(_volume, job.volumes)),
    }
    return {name: value for name, value in asked.items() if value} | {
        "IMAGEFACTORY_BUILD": job.build,
        "IMAGEFACTORY_BUNDLE": guest.BUNDLE,
        "IMAGEFACTORY_CATALOG": guest.CATALOG,
        "IMAGEFACTORY_IMAGE": job.image,
        "IMAGEFACTORY_PLATFORM": guest.PLATFORM,
        "IMAGEFACTORY_ROOT": guest.ROOT,
        "IMAGEFACTORY_TOOLS": guest.TOOLS,
        **_serves(job),
    }


def _serves(job: BuildJob) -> dict[str, str]:
    """What the firewall lets in beside SSH, such as `53/udp=boot 8443/tcp=deployed`. Nothing is set for no port."""
    served = " ".join(f"{each}={each.when}" for each in job.serves)
    return {"IMAGEFACTORY_SERVES": served} if served else {}


def _volume(volume: JobVolume) -> str:
    return f"{volume.mount}\t{volume.gb}\t{volume.share}"


def _restarts(name: str) -> bool:
    return PurePosixPath(name).parent.name == "before" and _RESTART in PurePosixPath(name).name


def _waived(job: BuildJob) -> dict[str, str]:
    """What the check at the end of the build stage lets pass. Nothing is set where SecOps has waived nothing."""
    lines = [f"{each.rule}\t{each.path}" for each in job.waived]
    return {"IMAGEFACTORY_WAIVED": "\n".join(lines)} if lines else {}


def _scripts(platform: frozenset[str], folder: str) -> list[str]:
    """The scripts and playbooks directly in `folder`, in the order of their names."""
    return sorted(
        name
        for name in platform
        if PurePosixPath(name).parent == PurePosixPath(folder) and name.endswith((".sh", ".yml", ".yaml"))
    )


def _results(job: BuildJob) -> tuple[str, ...]:
    if job.stage == "build":
        return ()
    return (*checks.names(job.tests), *reported.WRITTEN)


def _upload(name: str) -> Block:
    return {"file": {"source": name, "destination": f"{guest.UPLOADS}/imagefactory-{name}"}}


def _upload_tool(digest: str) -> Block:
    return {"file": {"source": f"{TOOLS}/{digest}", "destination": guest.tool_upload(digest)}}


def _download(name: str) -> Block:
    return {
        "file": {
            "direction": "download",
            "source": f"{guest.RESULTS}/{name}",
            "destination": f"results/{name}",
        }
    }


def _run(file: str, ways: Block, *, is_last: bool) -> Block:
    # After the last step the user and its files are gone, so there is nothing to clean up.
    # Binary, because Packer would otherwise change line ends inside a team's values and corrupt lines of more than
    # 64 KiB.
    shell = {"script": file, "execute_command": _AS_ROOT, "skip_clean": is_last, "binary": True}
    return {"shell": shell | ways}


def _step_problems(job: BuildJob, bundle: frozenset[str]) -> Iterable[str]:
    paths = [step.path for step in job.steps]
    paths += [*job.tests.smoke, *(path for path in (job.tests.goss, job.tests.tailoring) if path)]
    for path in paths:
        if path not in bundle:
            yield f"{path!r} is not in the bundle {job.bundle[:12]}; register the folder again"
    for step in job.steps:
        if step.kind == "file" and not _is_target(step.destination):
            yield f"destination {step.destination!r} is not an absolute path without '..'"
        for name, value in step.env.items():
            if not guest.is_variable(name) or "\0" in value:
                yield f"{step.path!r}: {name!r} cannot be an environment variable"


def _platform_problems(job: BuildJob, platform: frozenset[str]) -> Iterable[str]:
    if job.stage == "verify":
        if _VERIFY not in platform:
            yield f"the platform bundle {job.platform[:12]} has no {_VERIFY}"
        return
    after = _scripts(platform, "platform/after")
    if not any(_CHECK in name for name in after):
        yield f"the platform bundle {job.platform[:12]} has no platform/after/*hygiene-check*.sh"
    if not after or "deprovision" not in after[-1]:
        yield f"the platform bundle {job.platform[:12]} does not end with platform/after/*deprovision*.sh"


def _is_target(path: str) -> bool:
    return (
        path.startswith("/") and not path.endswith("/") and "\0" not in path and ".." not in path.split("/")
    )
