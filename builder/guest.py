"""The scripts that run inside the guest, as text. Pure.

Here, and only here, values of a team meet a shell: always quoted, in a file that Packer uploads as it is and
never reads as a template. Nothing of this runs where the builder runs.
"""

import re
import shlex
from collections.abc import Iterable, Mapping

ROOT = "/run/imagefactory"  # tmpfs: what is staged for a build cannot be baked
BUNDLE = f"{ROOT}/bundle"
PLATFORM = f"{ROOT}/platform"
CATALOG = f"{ROOT}/catalog.json"
RESULTS = f"{ROOT}/results"  # written by root, read by Packer's user
UPLOADS = "/tmp"  # noqa: S108 - in the guest; Packer's user can write nowhere else

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_HEAD = """\
#!/bin/bash
# Written by Image Factory for one run; it is not part of the image.
set -euo pipefail
umask 022
rm -f -- "$0" # after the last step nobody is left who could
"""


def prepare(title: str, digests: Mapping[str, str]) -> str:
    """Check and unpack the uploaded archives (`name -> SHA-256`) and take the catalog."""
    lines = [
        f"rm -rf -- {ROOT}",
        f"install -d -m 0755 {ROOT} {RESULTS}",
        f"install -m 0644 -- {UPLOADS}/imagefactory-catalog.json {CATALOG}",
        f"rm -f -- {UPLOADS}/imagefactory-catalog.json",
    ]
    for name, digest in digests.items():
        archive = f"{UPLOADS}/imagefactory-{name}.tar.gz"
        lines += [
            f"printf '%s  %s\\n' {digest} {archive} | sha256sum --check --status",
            f"install -d -m 0755 {ROOT}/{name}",
            f"tar --extract --gzip --no-same-owner --file {archive} --directory {ROOT}/{name}",
            f"rm -f -- {archive}",
        ]
    return _script(title, lines)


def run_script(
    title: str, folder: str, script: str, environment: Mapping[str, str], arguments: Iterable[str] = ()
) -> str:
    """Run `script` of `folder`, in that folder, by its own interpreter, or by bash where it has none."""
    path = f"{folder}/{script}"
    program = " ".join(shlex.quote(part) for part in (path, *arguments))
    quoted = shlex.quote(path)
    lines = [
        *_exports(environment),
        f"cd -- {shlex.quote(folder)}",
        f"if [ -x {quoted} ]; then exec {program}; fi",
        f"exec /bin/bash {program}",
    ]
    return _script(title, lines)


def run_playbook(title: str, folder: str, playbook: str, environment: Mapping[str, str]) -> str:
    """Run `playbook` of `folder` in the guest itself; roles are found beside it, then in the platform's."""
    given = {
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "ANSIBLE_LOCAL_TEMP": f"{ROOT}/ansible",
        "ANSIBLE_REMOTE_TEMP": f"{ROOT}/ansible",
        "ANSIBLE_ROLES_PATH": f"{folder}/roles:{PLATFORM}/roles",
        **environment,
    }
    lines = [
        *_exports(given),
        f"cd -- {shlex.quote(folder)}",
        f"exec ansible-playbook --connection local --inventory localhost, -- {shlex.quote(playbook)}",
    ]
    return _script(title, lines)


def install_file(title: str, path: str, destination: str) -> str:
    """Copy a file of the bundle to an absolute path, owned by root; an executable stays one."""
    source, target = shlex.quote(path), shlex.quote(destination)
    lines = [
        "mode=0644",
        f"if [ -x {source} ]; then mode=0755; fi",
        f'install -D -T -m "$mode" -o root -g root -- {source} {target}',
        f"cmp --silent -- {source} {target}",
    ]
    return _script(title, lines)


def is_variable(name: str) -> bool:
    """True where `name` can be the name of an environment variable."""
    return _VARIABLE.fullmatch(name) is not None


def _exports(environment: Mapping[str, str]) -> list[str]:
    return [f"export {name}={shlex.quote(value)}" for name, value in sorted(environment.items())]


def _script(title: str, lines: Iterable[str]) -> str:
    announced = f"printf '%s\\n' {shlex.quote('imagefactory: ' + title)}"
    return _HEAD + "\n".join([announced, *lines]) + "\n"
