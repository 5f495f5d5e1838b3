"""Makes the images of `images/` on a made root: the builder's own scripts run the steps of each definition.

The programs that a package would bring are stand-ins (`dnf.py`), as is Vault. pip, venv, Ansible, goss,
systemd-analyze and the system's tools are real.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.packer import guest as scripts
from imagefactory import folders
from pipeline_core.domain.definitions import FileStep, Provisioner, ShellStep
from tests.content.goss import runs
from tests.content.goss.runs import IMAGES
from tools.content import guest
from tools.content.harden import ANSIBLE

CHILDREN: Final = ("rhel9-java", "rhel9-python", "rhel9-node", "rhel9-vault", "payments-api", "ml-worker")
PARENTS: Final = {"payments-api": "rhel9-java", "ml-worker": "rhel9-python"}
_DNF: Final = Path(__file__).with_name("dnf.py")
_NAME: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
# This Python inside the guest: `python3` there is the stand-in for RHEL's own.
PYTHON: Final = f"/usr/bin/{_NAME}" if sys.base_prefix == "/usr" else f"/run/python/bin/{_NAME}"
_ANSIBLE: Final = f"""\
#!/bin/sh
export PYTHONPATH=/run/guest/site:/run/guest/standins/lib ANSIBLE_HOME=/run/ansible ANSIBLE_PIPELINING=1
exec {PYTHON} -c 'import sys; from ansible.cli.playbook import main; sys.exit(main())' \\
  --extra-vars ansible_python_interpreter={PYTHON} "$@"
"""
_PYTHON3: Final = f"""\
#!/bin/sh
case "$*" in
  --version) echo "Python 3.9.21" ;;
  "-c "*version_info*) echo 3.9 ;;
  *) exec {PYTHON} "$@" ;;
esac
"""
_RUN: Final = """\
set -eu
mkdir -p /run/imagefactory /run/steps
ln -s /run/guest/bundle /run/imagefactory/bundle
for each in /run/guest/steps/*.sh; do
  cp "$each" /run/steps/
  /bin/bash -p "/run/steps/${each##*/}"
done
"""
_WHEEL: Final = {
    "numpy/__init__.py": "",
    "numpy-2.5.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: numpy\nVersion: 2.5.5\n",
    "numpy-2.5.5.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "numpy-2.5.5.dist-info/RECORD": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BakedImage:
    """An image after its own steps: its root, and the folder of its definition and tests as they were used."""

    root: Path
    folder: Path


class StepFailed(Exception):
    """A step of the definition ended with an error. The text is what it printed."""


def prepare(made: Path, root: Path) -> None:
    """Copy a root of `made_root` and put the stand-ins into it. The children are built from that."""
    copy_root(made, root)
    texts = {
        "sbin/dnf": f"#!{PYTHON}\n{_DNF.read_text('utf-8')}",
        "bin/ansible-playbook": _ANSIBLE,
        "bin/python3": _PYTHON3,
        "libexec/platform-python": _PYTHON3,
    }
    for name, text in texts.items():
        target = root / "usr" / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(0o755)


def bake(name: str, parent: Path, work: Path, *, stages: bool = True) -> BakedImage:
    """Copy the root `parent` into the new folder `work`, and run the steps of the image's definition in it.

    `stages`: first stage what the platform would have staged for it.
    """
    work.mkdir()
    root, folder, steps, wheels = (work / each for each in ("root", "bundle", "steps", "wheels"))
    shutil.copytree(IMAGES / name, folder)
    copy_root(parent, root)
    for each in (steps, wheels):
        each.mkdir()
    _serve_wheel(wheels, folder / "files" / "requirements.txt")
    if name == "rhel9-vault" and stages:
        stage_vault(root)
    definition = folders.load_image(folder).definition
    for number, step in enumerate(definition.build.provisioners):
        (steps / f"{number:02d}.sh").write_text(_script(step), encoding="utf-8")
    shared = {"bundle": folder, "steps": steps, "wheels": wheels, "site": ANSIBLE}
    environment = {
        "PATH": runs.PATH,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "/run/guest/wheels",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    done = guest.run(root, ["/bin/sh", "-c", _RUN], environment=environment, shared=shared)
    if done.code:
        raise StepFailed(done.output[-4000:])
    return BakedImage(root=root, folder=folder)


def change(image: BakedImage, line: str, work: Path) -> Path:
    """A copy of the image's root in which a line of bash ran."""
    root = work / "root"
    copy_root(image.root, root)
    done = guest.run(root, ["/bin/bash", "-euc", line], limit=60)
    if done.code:
        raise StepFailed(f"{line}: {done.output[-2000:]}")
    return root


def stage_vault(root: Path) -> None:
    """The archive that the platform would have staged, with a program that only tells its version."""
    entry = next(each for each in _catalog() if each["id"] == "vault")
    staged = root / "opt" / "stage" / "Tools"
    place = staged / "vault" / entry["version"] / entry["url"].rsplit("/", 1)[-1]
    place.parent.mkdir(parents=True)
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("LICENSE.txt", "made\n")
        archive.writestr("vault", f"#!/bin/sh\necho 'Vault v{entry['version']} (made)'\n")
    digest = hashlib.sha256(place.read_bytes()).hexdigest()
    line = f"{digest}  {place.relative_to(staged)}\n"
    (staged / "SHA256SUMS").write_text(line, encoding="utf-8")


def copy_root(source: Path, target: Path) -> None:
    """With owners, which `shutil.copytree` would lose."""
    subprocess.run(["cp", "--archive", str(source), str(target)], check=True, timeout=300)


def _catalog() -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((IMAGES / "catalog.json").read_text("utf-8"))["entries"]
    return found


def _script(step: Provisioner) -> str:
    if isinstance(step, FileStep):
        return scripts.install_file(step.path, f"{scripts.BUNDLE}/{step.path}", step.destination)
    if isinstance(step, ShellStep):
        return scripts.run_script(step.script, scripts.BUNDLE, step.script, dict(step.env))
    return scripts.run_playbook(step.playbook, scripts.BUNDLE, step.playbook, {})


def _serve_wheel(folder: Path, requirements: Path) -> None:
    """A package of the pinned name and version that has no content; the list gets its digest. Nothing else changes."""
    wheel = folder / "numpy-2.5.5-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in _WHEEL.items():
            archive.writestr(name, text)
    if requirements.is_file():
        lines = requirements.read_text(encoding="utf-8").partition("--hash=sha256:")
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        requirements.write_text(f"{lines[0]}{lines[1]}{digest}\n", encoding="utf-8")
