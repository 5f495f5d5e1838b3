"""Ansible's local connection, which runs a module in a fork of Ansible's own process instead of a new Python.

Only the start is saved: the module, its arguments and its result are the same. A playbook of the guide has up to 3,800
tasks, and a new Python costs more than most of them do. Everything else goes the way of the local connection.
"""

import os
import re
import sys
import tempfile
import traceback
from typing import Any

from ansible.plugins.connection import local  # type: ignore[import-not-found,unused-ignore]  # the guest's

DOCUMENTATION = """
name: inside
short_description: run modules in a fork
description: The local connection without a new Python for each module.
author: Image Factory
options: {}
"""
_MODULE = re.compile(r"^/bin/sh -c '\S*python3? && sleep 0'$")
# What the payload of a module brings itself; the rest of Ansible's library for modules is the same code.
_OWN = re.compile(r"ansible(\.modules(\..*)?)?|ansible_collections(\..*)?")


class Connection(local.Connection):  # type: ignore[misc,unused-ignore]
    """See above."""

    transport = "inside"

    def exec_command(self, cmd: str, in_data: Any = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Code, output and errors of a command."""
        if not in_data or not _MODULE.match(cmd):
            return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)  # type: ignore[no-any-return,unused-ignore]
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            child = os.fork()
            if child == 0:
                _become(in_data, output.fileno(), errors.fileno())
            _, status = os.waitpid(child, 0)
            output.seek(0)
            errors.seek(0)
            return os.waitstatus_to_exitcode(status), output.read(), errors.read()


def _become(source: Any, output: int, errors: int) -> None:
    """Run a module's payload as a new Python would, and end this process."""
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(errors, 2)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, closefd=False) for number, mode in ((0, "r"), (1, "w"), (2, "w"))
        )
        sys.argv = ["<stdin>"]
        sys.meta_path[:] = [each for each in sys.meta_path if "AnsibleCollection" not in type(each).__name__]
        sys.path_hooks[:] = [each for each in sys.path_hooks if "ansible" not in repr(each)]
        sys.path_importer_cache.clear()
        for name in [each for each in sys.modules if _OWN.fullmatch(each)]:
            del sys.modules[name]
        exec(compile(source, "<stdin>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})  # noqa: S102 - the module's payload
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
