"""Stands for dnf and rpm on a machine that is a folder. As strict as dnf 4.14, where the scripts depend on it.

It reads dnf.conf and the files of repositories as dnf does, and takes no option that it does not know. `state.json` of
the folder has what the world is like: the hosts that answer, whether the client certificate has ended, and packages.
Every call is a line of `calls`. A test with the real dnf (`tests/content/test_real_dnf.py`) holds the same answers.
"""

import configparser
import fnmatch
import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(os.environ["STAND_IN_ROOT"])
FLAGS = ("--assumeyes", "--refresh", "--quiet")
VALUES = ("--disablerepo", "--enablerepo", "--config", "--setopt", "--queryformat")
RHUI = "[rhel-9-baseos-rhui]\nname=BaseOS\nbaseurl=https://rhui4-1.microsoft.com/pulp/repos/content/rhel9\nenabled=1\n"


def fail(text: str) -> None:
    """End as dnf does."""
    print(text, file=sys.stderr)
    sys.exit(1)


class Dnf:
    """One call."""

    def __init__(self, words: list[str]) -> None:
        self.state = json.loads((ROOT / "state.json").read_text("utf-8"))
        self.conf = ROOT / "etc/dnf/dnf.conf"
        self.changes: list[tuple[str, str]] = []
        self.rest: list[str] = []
        while words:
            word, _, value = words.pop(0).partition("=")
            if word in VALUES:
                value = value or words.pop(0)
                self.conf = Path(value) if word == "--config" else self.conf
                if word.endswith("repo"):
                    self.changes.append((word, value))
            elif word.startswith("-") and word not in FLAGS:
                fail(f"dnf: error: unrecognized arguments: {word}")
            elif not word.startswith("-"):
                self.rest.append(word)
        self.repositories, self.main = self.read()

    def read(self) -> tuple[dict[str, configparser.SectionProxy], configparser.SectionProxy]:
        """The enabled repositories by their ids, and the main settings."""
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.read_string(self.conf.read_text("utf-8"))
        folders = parser["main"].get("reposdir", "/etc/yum.repos.d").split(",")
        found: dict[str, configparser.SectionProxy] = {}
        for folder in folders:
            inside = ROOT / folder.lstrip("/")
            for path in sorted((inside if inside.is_dir() else Path(folder)).glob("*.repo")):
                each = configparser.ConfigParser(strict=False, interpolation=None)
                each.read_string(path.read_text("utf-8"))
                found.update({name: each[name] for name in each.sections()})
        enabled = {name for name, each in found.items() if each.get("enabled", "1") == "1"}
        for option, pattern in self.changes:
            matching = set(fnmatch.filter(found, pattern))
            if not matching and option == "--enablerepo":
                fail(f"Error: Unknown repo: '{pattern}'")
            enabled = enabled | matching if option == "--enablerepo" else enabled - matching
        return {name: found[name] for name in sorted(enabled)}, parser["main"]

    def download(self) -> None:
        """Metadata of each enabled repository."""
        for name, each in self.repositories.items():
            address = urlsplit(each["baseurl"])
            proxy = self.main.get("proxy") or os.environ.get("https_proxy", "")
            host = urlsplit(proxy).hostname if proxy else address.hostname
            if host not in self.state["reachable"]:
                fail(f"Curl error (28): Timeout was reached for {each['baseurl']}/repodata/repomd.xml")
            needs_certificate = "microsoft" in str(address.hostname) and "/unprotected/" not in address.path
            if needs_certificate and self.state["certificate"] == "ended":
                fail(
                    f"Curl error (56): Failure when receiving data from the peer for {each['baseurl']} [{name}]"
                )
            key = re.sub("^file://", "", each.get("gpgkey", ""))
            if each.get("gpgcheck", self.main.get("gpgcheck", "0")) == "1" and key and not self.has(key):
                fail(f"Curl error (37): Couldn't read a file:// file for file://{key}")
            authority = each.get("sslcacert", "")
            if authority and not self.has(authority):
                fail(f"Curl error (77): Problem with the SSL CA cert for {each['baseurl']}")

    def has(self, name: str) -> bool:
        """Whether the machine has the file."""
        return (ROOT / name.lstrip("/")).is_file() or Path(name).is_file()

    def run(self) -> None:
        """Do the command."""
        command, packages = self.rest[0], self.rest[1:]
        installed = set(self.state["packages"])
        if command == "remove":
            self.remove(installed, packages)
            return
        if not self.repositories and command != "repoquery":
            fail("Error: There are no enabled repositories.")
        self.download()
        served = {urlsplit(each["baseurl"]).path for each in self.repositories.values()}
        if command == "install":
            for package in packages:
                if package.startswith("rhui-azure") and not any("microsoft-azure" in path for path in served):
                    fail(f"Error: Unable to find a match: {package}")
                if package == "rhui-azure-rhel9-eus":
                    text = RHUI.replace("content/rhel9", "content/eus/rhel9")
                    (ROOT / "etc/yum.repos.d/rh-cloud.repo").write_text(text, "utf-8")
            self.save(installed | set(packages))
        elif command == "upgrade" and any("microsoft-azure" in path for path in served):
            self.state["certificate"] = "good"
            self.save(installed)
        elif command not in ("upgrade", "check-upgrade"):
            fail(f"No such command: {command}.")

    def remove(self, installed: set[str], packages: list[str]) -> None:
        """Remove packages, and the client package's repositories with it."""
        if missing := set(packages) - installed:
            print(f"No match for argument: {', '.join(sorted(missing))}")
        if "rhui-azure-rhel9" in packages:
            (ROOT / "etc/yum.repos.d/rh-cloud.repo").unlink()
        for package in packages:
            for path in self.state.get("files", {}).get(package, ()):
                Path(path).unlink()
        self.save(installed - set(packages))

    def save(self, packages: set[str]) -> None:
        """Keep the state."""
        self.state["packages"] = sorted(packages)
        (ROOT / "state.json").write_text(json.dumps(self.state), "utf-8")


def rpm(words: list[str]) -> None:
    """`rpm --query [--quiet] NAME`."""
    installed = json.loads((ROOT / "state.json").read_text("utf-8"))["packages"]
    if words[0] != "--query":
        fail(f"rpm: {words[0]}: unknown option")
    sys.exit(0 if words[-1] in installed else 1)


if __name__ == "__main__":
    program, *given = sys.argv[1:]
    with (ROOT / "calls").open("a", encoding="utf-8") as calls:
        print(program, *given, file=calls)
    if program == "rpm":
        rpm(given)
    Dnf(given).run()
