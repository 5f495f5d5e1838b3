"""A recorded Packer: Packer's command line and output, and its calls to Azure. All its output says that it is recorded.

It reads a template and makes the calls of a build: it creates a machine, captures it as a gallery version and deletes
the machine. It starts no guest and never runs a command of a template.

A build's container runs it three times, one after another. So each command loads only what it needs: of the CPU time
of a run, nearly all was the import of the modules that make calls.
"""

import importlib
import sys

VERSION_LINE = "Packer vrecorded (no real Packer: replays a recorded run)"


def main(arguments: list[str]) -> int:
    """The exit code of one command."""
    flags = {word for word in arguments if word.startswith("-")}
    words = [word for word in arguments if not word.startswith("-")]
    command = words[0] if words else "version" if flags & {"-v", "--version", "-version"} else ""
    if command == "version":
        print(VERSION_LINE)
        return 0
    if words[:2] == ["plugins", "installed"]:
        print("recorded/github.com/hashicorp/azure/packer-plugin-azure_vrecorded")
        return 0
    if command not in ("validate", "build") or len(words) != 2:
        print(
            f"{VERSION_LINE}\nUsage: version | plugins installed | validate FILE | build FILE",
            file=sys.stderr,
        )
        return 127
    return _with_template(command, words[1], flags)


def _with_template(command: str, path: str, flags: set[str]) -> int:
    try:
        template = importlib.import_module("local.recorded.template").read(path)
    except (OSError, ValueError) as error:
        print(f"Error: Failed to parse the template {path}: {error}")
        return 1
    for error_text in template.errors:
        print(f"Error: {error_text}")
    if template.errors:
        return 1
    if command == "validate":
        print("The configuration is valid. (recorded Packer: a part of the real checks)")
        return 0
    code: int = importlib.import_module("local.recorded.command").run(template, path, flags, VERSION_LINE)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
