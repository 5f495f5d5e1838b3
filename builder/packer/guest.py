"""The scripts that run inside the guest, as text. Pure.

Only here do values of a team get into a shell. They are always quoted, in a file that Packer uploads unchanged and
never reads as a template. None of these scripts runs in the builder's container.
"""

import re
import shlex
from collections.abc import Iterable, Mapping

ROOT = "/run/imagefactory"  # tmpfs: files that are staged for a build cannot get into the image
BUNDLE = f"{ROOT}/bundle"
PLATFORM = f"{ROOT}/platform"
CATALOG = f"{ROOT}/catalog.json"
TOOLS = f"{ROOT}/tools"  # the files of the catalog's tools, each under its SHA-256
RESULTS = f"{ROOT}/results"  # root writes it, Packer's user reads it
UPLOADS = "/tmp"  # noqa: S108 - in the guest; Packer's user can write only there

# A platform script sees only these variables and its own: nothing of the image's PATH, LD_PRELOAD or BASH_ENV.
_CLEAN = (
    "kept=(HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin)",
    'kept+=(SUDO_USER="${SUDO_USER:-}")',  # the user of the build, which is removed at its end
)
RESTARTING = (
    f"{ROOT}/restarting"  # a platform script that restarts the machine leaves the id of its boot here
)
_SHORT = 12  # characters of a digest, as the builder shows it
_WAIT_SECONDS = 10  # between two looks at a machine that has not gone down yet
_BOOT_SECONDS = 60  # of one look at a machine that starts
_CLEANLY = '/usr/bin/env -i "${kept[@]}" '
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_HEAD = """\
#!/bin/bash
# Written by Image Factory for one run; it is not part of the image.
set -euo pipefail
umask 022
rm -f -- "$0" # after the last step nobody is left who could
"""


def tool_upload(digest: str) -> str:
    """Where the file of a tool comes to in the guest."""
    return f"{UPLOADS}/imagefactory-tool-{digest}"


def prepare(title: str, digests: Mapping[str, str], tools: Iterable[str] = ()) -> str:
    """Check and unpack the uploaded archives (`name -> SHA-256`), take the catalog and the files of `tools`.

    A tool is named by its SHA-256, which is compared where only root can write.
    """
    lines = [
        f"rm -rf -- {ROOT}",
        f"install -d -m 0755 {ROOT} {RESULTS} {TOOLS}",
        f"install -m 0644 -- {UPLOADS}/imagefactory-catalog.json {CATALOG}",
        f"rm -f -- {UPLOADS}/imagefactory-catalog.json",
    ]
    for name, digest in digests.items():
        lines += _unpacked(name, digest)
    for tool in tools:
        lines += _taken(tool)
    return _script(title, lines)


def wait(title: str) -> str:
    """End with 0 when the machine is up after its restart, or at once if it does not restart; else with 75."""
    boot = "/proc/sys/kernel/random/boot_id"
    lines = [
        # The folder is in memory. Without it this is another boot.
        f"if [ -d {ROOT} ] && [ ! -e {RESTARTING} ]; then",
        "  printf '%s\\n' 'the machine does not restart'",
        "  exit 0",
        "fi",
        f'if [ -e {RESTARTING} ] && [ "$(cat {RESTARTING})" = "$(cat {boot})" ]; then',
        "  printf '%s\\n' 'the machine has not gone down yet'",
        f"  sleep {_WAIT_SECONDS}",
        "  exit 75",
        "fi",
        f"state=$(timeout {_BOOT_SECONDS} systemctl is-system-running --wait || true)",
        f'printf \'kernel %s, boot %s, system %s\\n\' "$(uname -r)" "$(cat {boot})" "$state"',
        'case "$state" in running | degraded) exit 0 ;; esac',
        "exit 75",
    ]
    return _script(title, lines)


def renew(title: str, name: str, digest: str) -> str:
    """Check and unpack one archive again. It replaces the unpacked folder, which a step may have changed."""
    # After a restart that a team's step has made all staged files are gone, and no step can go on.
    lines = [f"[ -d {RESULTS} ]", f"rm -rf -- {ROOT}/{name}", *_unpacked(name, digest)]
    return _script(title, lines)


def run_script(
    title: str,
    folder: str,
    script: str,
    environment: Mapping[str, str],
    arguments: Iterable[str] = (),
    *,
    is_ours: bool = False,
) -> str:
    """Run `script` of `folder`, in that folder, with its own interpreter, or with bash if it names none.

    `is_ours`: the script sees nothing of the image's environment.
    """
    path = f"{folder}/{script}"
    program = " ".join(shlex.quote(part) for part in (path, *arguments))
    quoted = shlex.quote(path)
    cleanly = _CLEANLY if is_ours else ""
    lines = [
        *_environment(environment, is_ours=is_ours),
        f"cd -- {shlex.quote(folder)}",
        f"if [ -x {quoted} ]; then exec {cleanly}{program}; fi",
        f"exec {cleanly}/bin/bash {program}",
    ]
    return _script(title, lines)


def run_playbook(
    title: str, folder: str, playbook: str, environment: Mapping[str, str], *, is_ours: bool = False
) -> str:
    """Run `playbook` of `folder` in the guest itself. Roles come from beside it, then from the platform's folder."""
    given = {
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "ANSIBLE_LOCAL_TEMP": f"{ROOT}/ansible",
        "ANSIBLE_REMOTE_TEMP": f"{ROOT}/ansible",
        "ANSIBLE_ROLES_PATH": f"{folder}/roles:{PLATFORM}/roles",
        **environment,
    }
    cleanly = _CLEANLY if is_ours else ""
    quoted = shlex.quote(playbook)
    lines = [
        *_environment(given, is_ours=is_ours),
        f"cd -- {shlex.quote(folder)}",
        f"exec {cleanly}ansible-playbook --connection local --inventory localhost, -- {quoted}",
    ]
    return _script(title, lines)


def install_file(title: str, path: str, destination: str) -> str:
    """Copy a file of the bundle to an absolute path, owned by root. An executable stays executable."""
    source, target = shlex.quote(path), shlex.quote(destination)
    lines = [
        "mode=0644",
        f"if [ -x {source} ]; then mode=0755; fi",
        f'install -D -T -m "$mode" -o root -g root -- {source} {target}',
        f"cmp --silent -- {source} {target}",
    ]
    return _script(title, lines)


def is_variable(name: str) -> bool:
    """True if `name` can be the name of an environment variable."""
    return _VARIABLE.fullmatch(name) is not None


def _environment(environment: Mapping[str, str], *, is_ours: bool) -> list[str]:
    given = [f"{name}={shlex.quote(value)}" for name, value in sorted(environment.items())]
    if is_ours:
        return [*_CLEAN, *(f"kept+=({each})" for each in given)]
    return [f"export {each}" for each in given]


def _taken(tool: str) -> list[str]:
    """The folder is in memory, so a large file may not fit. Without a reason the log would have an exit code alone."""
    upload, kept, short = tool_upload(tool), f"{TOOLS}/{tool}", tool[:_SHORT]
    free = f"$(df --output=avail --block-size=1 {TOOLS} | tail -n 1 | tr -d ' ')"
    return [
        f"needs=$(stat --format=%s -- {upload})",
        f"free={free}",
        'if [ "$free" -lt "$needs" ]; then',
        f'  echo "the file {short} of a tool needs $needs bytes in {TOOLS}, and $free are free" >&2',
        "  exit 1",
        "fi",
        f"install -m 0644 -- {upload} {kept}",
        f"rm -f -- {upload}",
        f"printf '%s  %s\\n' {tool} {kept} | sha256sum --check --status || {{",
        f"  echo 'the file {short} of a tool has another SHA-256 in the guest' >&2",
        "  exit 1",
        "}",
    ]


def _unpacked(name: str, digest: str) -> list[str]:
    archive = f"{UPLOADS}/imagefactory-{name}.tar.gz"
    return [
        f"printf '%s  %s\\n' {digest} {archive} | sha256sum --check --status",
        f"install -d -m 0755 {ROOT}/{name}",
        f"tar --extract --gzip --no-same-owner --file {archive} --directory {ROOT}/{name}",
        f"rm -f -- {archive}",
    ]


def _script(title: str, lines: Iterable[str]) -> str:
    announced = f"printf '%s\\n' {shlex.quote('imagefactory: ' + title)}"
    return _HEAD + "\n".join([announced, *lines]) + "\n"
