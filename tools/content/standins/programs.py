#!/usr/bin/env python3
"""Programs of RHEL that a made root cannot run, each by the name it is called by. They change what the real ones would.

Only what rules read is kept: which unit is enabled or masked, which PAM files authselect writes, the crypto policy, the
kernel's command line. A program that is not here and not in Debian is an error, so that nothing is passed over.
"""

import os
import re
import sys
from pathlib import Path

UNITS = Path("/etc/systemd/system")
WANTS = UNITS / "multi-user.target.wants"
SHIPPED = Path("/usr/lib/systemd/system")
AUTHSELECT = Path("/etc/authselect")
PAM = ("system-auth", "password-auth", "postlogin", "fingerprint-auth", "smartcard-auth")
_IF = re.compile(r'\s*\{include if "([a-z0-9-]+)"\}')
_NOT = re.compile(r'\{if not "([a-z0-9-]+)":([a-z_]+)\}')


def systemctl(words: list[str]) -> int:
    """enable, disable, mask, is-enabled, is-active, show; the rest succeeds."""
    asked = {name for word in words if word.startswith("--property=") for name in word[11:].split(",")}
    plain = [word for word in words if not word.startswith("-") and word != "service"]  # `--type service`
    verb, units = (plain[0] if plain else ""), [_unit(each) for each in plain[1:]]
    code = 0
    for unit in units:
        link, shipped = WANTS / unit, SHIPPED / unit
        masked = (UNITS / unit).is_symlink() and os.readlink(UNITS / unit) == os.devnull
        known = shipped.exists() or (UNITS / unit).exists() or masked
        if verb == "enable" and known:
            WANTS.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(shipped)
        elif verb == "disable":
            link.unlink(missing_ok=True)
        elif verb == "mask":
            link.unlink(missing_ok=True)
            if not masked:
                (UNITS / unit).symlink_to(os.devnull)
        elif verb == "unmask" and masked:
            (UNITS / unit).unlink()
        elif verb == "is-enabled":
            state = "masked" if masked else "enabled" if link.is_symlink() else "disabled"
            sys.stdout.write(f"{state}\n")
            code = 0 if state == "enabled" else 1
        elif verb == "is-active":
            code = 0 if link.is_symlink() and not masked and _would_start(_text(unit)) else 3
        elif verb == "show" and asked:
            facts = _settings(_text(unit))
            facts["LoadState"] = "masked" if masked else "loaded" if known else "not-found"
            facts["CanReload"] = "yes" if "ExecReload" in facts else "no"
            sys.stdout.write("".join(f"{name}={facts.get(name, '')}\n" for name in sorted(asked)))
        elif verb == "show":
            load = "masked" if masked else "loaded" if known else "not-found"
            active = "active" if link.is_symlink() else "inactive"
            sys.stdout.write(f"Id={unit}\nLoadState={load}\nActiveState={active}\nCanReload=yes\n")
        elif verb == "list-unit-files" and known:
            sys.stdout.write(f"{unit} enabled\n")
    if verb in ("list-units", "list-unit-files") and not units:
        for path in sorted(SHIPPED.glob("*.service")):
            wanted = (WANTS / path.name).is_symlink()
            states = ("enabled", "") if verb == "list-unit-files" else ("loaded", "active running x")
            if not wanted:
                states = ("disabled", "") if verb == "list-unit-files" else ("loaded", "inactive dead x")
            sys.stdout.write(f"{path.name} {' '.join(states)}\n")
    if verb == "get-default":
        sys.stdout.write("multi-user.target\n")
    return code


def _unit(name: str) -> str:
    return name if "." in name else f"{name}.service"


def _text(unit: str) -> str:
    """The unit's file. One of /etc comes first; a masked one is empty."""
    for folder in (UNITS, SHIPPED):
        if (folder / unit).is_file():
            return (folder / unit).read_text("utf-8")
    return ""


def _settings(text: str) -> dict[str, str]:
    lines = [line.partition("=") for line in text.splitlines() if line[:1].isalpha()]
    return {name: value for name, _, value in lines}


def _would_start(text: str) -> bool:
    """Whether the conditions on paths hold, as at a boot."""
    found = _settings(text)
    paths = [found[name] for name in ("ConditionPathExists", "ConditionFileNotEmpty") if name in found]
    return all(Path(path).exists() for path in paths)


def authselect(words: list[str]) -> int:
    """Keeps the selected profile, and writes the PAM files of it as the real one does."""
    plain = [word for word in words if not word.startswith("-")]
    verb, rest = plain[0], plain[1:]
    state = AUTHSELECT / "authselect.conf"
    held = state.read_text("utf-8").split() if state.exists() else []
    if verb == "current":
        if not held:
            sys.stderr.write("No existing configuration detected.\n")
            return 2
        raw = " ".join(held)
        shown = f"Profile ID: {held[0]}\nEnabled features:\n" + "".join(f"- {each}\n" for each in held[1:])
        sys.stdout.write(f"{raw}\n" if {"--raw", "-r"} & set(words) else shown)
        return 0
    if verb == "check":
        return 0 if held else 2
    if verb == "list-features":
        sys.stdout.write("with-faillock\nwith-pwhistory\nwithout-nullok\n")
        return 0
    if verb == "create-profile":
        base = next((word.split("=")[1] for word in words if word.startswith("--base-on=")), "")
        base = base or words[words.index("-b") + 1]
        into = AUTHSELECT / "custom" / next(word for word in rest if word != base)
        into.mkdir(parents=True, exist_ok=True)
        for name in PAM:
            (into / name).write_text((_profile(base) / name).read_text("utf-8"), "utf-8")
        return 0
    if verb == "select":
        held = rest
    elif verb == "enable-feature":
        held = [*held, *(each for each in rest if each not in held)]
    elif verb == "disable-feature":
        held = [each for each in held if each not in rest]
    elif verb != "apply-changes":
        return 1
    AUTHSELECT.mkdir(exist_ok=True)
    state.write_text("\n".join(held) + "\n", "utf-8")
    for name in PAM:
        (AUTHSELECT / name).write_text(_expanded(_profile(held[0]) / name, set(held[1:])), "utf-8")
        place = Path("/etc/pam.d") / name
        place.unlink(missing_ok=True)
        place.symlink_to(AUTHSELECT / name)
    return 0


def _profile(name: str) -> Path:
    custom = name.removeprefix("custom/")
    return (
        AUTHSELECT / "custom" / custom
        if custom != name
        else Path("/usr/share/authselect/default") / "minimal"
    )


def _expanded(template: Path, features: set[str]) -> str:
    lines = []
    for line in template.read_text("utf-8").splitlines():
        found = _IF.search(line)
        if found and found[1] not in features:
            continue
        line = _IF.sub("", line)
        lines.append(_NOT.sub(lambda each: "" if each[1] in features else each[2], line))
    return "\n".join(lines) + "\n"


def update_crypto_policies(words: list[str]) -> int:
    """--show, --set, and without words: apply what the configuration says."""
    config, state = Path("/etc/crypto-policies/config"), Path("/etc/crypto-policies/state/current")
    if "--show" in words:
        sys.stdout.write(state.read_text("utf-8"))
        return 0
    if "--set" in words:
        config.write_text(words[words.index("--set") + 1] + "\n", "utf-8")
    state.write_text(config.read_text("utf-8"), "utf-8")
    for name in ("nss", "opensshserver", "openssh", "libreswan", "krb5", "bind", "gnutls", "openssl"):
        place = Path(f"/etc/crypto-policies/back-ends/{name}.config")
        place.write_text("\n", "utf-8")
    return 0


def sysctl(words: list[str]) -> int:
    """The value that the files give a parameter at boot, the last one read."""
    names = [word for word in words if not word.startswith("-")]
    if not names or "=" in names[0] or {"-p", "--system", "-w"} & set(words):
        return 0
    value = ""
    folders = ("/usr/lib/sysctl.d", "/etc/sysctl.d")
    files = sorted(
        (path for each in folders for path in Path(each).glob("*.conf")), key=lambda each: each.name
    )
    for path in [*files, Path("/etc/sysctl.conf")]:
        for line in path.read_text("utf-8").splitlines():
            name, _, found = line.partition("=")
            value = found.strip() if name.strip() == names[0] else value
    if "-n" in words or "--values" in words:
        sys.stdout.write(f"{value}\n")
    else:
        sys.stdout.write(f"{names[0]} = {value}\n")
    return 0


def findmnt(words: list[str]) -> int:
    """A line for each mount point of the fstab; with names only theirs. The real options of /dev/shm are not asked."""
    names = [word for word in words if word.startswith("/")]
    found = 1
    for line in Path("/etc/fstab").read_text("utf-8").splitlines():
        parts = line.split()
        if len(parts) > 3 and not line.startswith("#") and (not names or parts[1] in names):
            found = 0
            if "OPTIONS" in " ".join(words):
                sys.stdout.write(f"{parts[3]}\n")
            else:
                sys.stdout.write(
                    f"TARGET SOURCE FSTYPE OPTIONS\n{parts[1]} {parts[0]} {parts[2]} {parts[3]}\n"
                )
    return found


def grubby(words: list[str]) -> int:
    """Adds and removes arguments of every entry and of /etc/default/grub, as `--update-kernel=ALL` does."""
    options = dict(word.split("=", 1) for word in words if word.startswith("--") and "=" in word)
    places = [*Path("/boot/loader/entries").glob("*.conf"), Path("/etc/default/grub")]
    for place in places:
        lines = []
        for line in place.read_text("utf-8").splitlines():
            if line.startswith(("options ", "GRUB_CMDLINE_LINUX=")):
                end = '"' if line.endswith('"') else ""
                body = line.removesuffix('"')
                for argument in options.get("--remove-args", "").strip('"').split():
                    body = re.sub(rf" {re.escape(argument)}(=\S*)?(?=\s|$)", "", body)
                for argument in options.get("--args", "").strip('"').split():
                    name = argument.split("=")[0]
                    body = re.sub(rf" {re.escape(name)}(=\S*)?(?=\s|$)", "", body) + f" {argument}"
                line = body + end
            lines.append(line)
        place.write_text("\n".join(lines) + "\n", "utf-8")
    if "--info=ALL" in words:
        for place in places[:-1]:
            line = next(each for each in place.read_text("utf-8").splitlines() if each.startswith("options "))
            sys.stdout.write(f'args="{line.removeprefix("options ")}"\n')
    return 0


def aide(words: list[str]) -> int:
    """--init writes a database that is only a file."""
    if {"--init", "-i"} & set(words):
        Path("/var/lib/aide/aide.db.new.gz").write_bytes(b"made")
    return 0


def augenrules(_: list[str]) -> int:
    """All rules in one file, by name, as the real one does."""
    files = sorted(Path("/etc/audit/rules.d").glob("*.rules"))
    Path("/etc/audit/audit.rules").write_text("".join(each.read_text("utf-8") for each in files), "utf-8")
    return 0


def nothing(_: list[str]) -> int:
    """Succeeds: it would change only what runs, or a label of SELinux."""
    return 0


PROGRAMS = {
    "systemctl": systemctl,
    "authselect": authselect,
    "update-crypto-policies": update_crypto_policies,
    "sysctl": sysctl,
    "findmnt": findmnt,
    "grubby": grubby,
    "aide": aide,
    "augenrules": augenrules,
    **dict.fromkeys(
        (
            *(
                "mount",
                "umount",
                "restorecon",
                "setsebool",
                "auditctl",
                "dconf",
                "grub2-mkconfig",
                "modprobe",
            ),
            *(
                "dnf",
                "dnf-3",
                "firewall-cmd",
                "setenforce",
                "dracut",
                "service",
                "nmcli",
                "newaliases",
                "semanage",
                "systemd-tmpfiles",
                "yum-config-manager",
            ),
        ),
        nothing,
    ),
}

if __name__ == "__main__":
    sys.exit(PROGRAMS[Path(sys.argv[0]).name](sys.argv[1:]))
