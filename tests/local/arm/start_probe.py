"""The program of the tests of starts. It is copied into the container's folder and run as `python -m start_probe`."""

import atexit
import ctypes
import json
import locale
import os
import random
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from typing import Any


def facts() -> dict[str, Any]:
    """What a process can see of its start."""
    library = ctypes.CDLL(None)
    library.getenv.restype = ctypes.c_char_p
    own = os.environ.get("OWN", "")
    return {
        "environment": dict(os.environ),
        "OWN in C": (library.getenv(b"OWN") or b"").decode(),
        "TZ in C": time.tzname,
        "folder": os.getcwd(),
        "words": sys.argv,
        "path": sys.path,
        "main": sys.modules["__main__"].__file__,
        "leads": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
        "signals": {
            each.name: repr(signal.getsignal(each))
            for each in signal.valid_signals()
            if hasattr(each, "name")
        },
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "wakeup": signal.set_wakeup_fd(-1),
        "umask": os.umask(0o77),
        "descriptors": [number for number in range(64) if _is_open(number)],
        "input": sys.stdin.read(),
        "output": [sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.line_buffering, sys.stdout.errors],
        "errors": [sys.stderr.encoding, sys.stderr.line_buffering, sys.stderr.errors],
        "flags": list(sys.flags),
        "program": sys.executable,
        "temporary": tempfile.gettempdir(),
        "locale": locale.setlocale(locale.LC_ALL),
        "threads": [threading.active_count(), threading.current_thread() is threading.main_thread()],
        "hooks": own,
    }


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _chance() -> list[str]:
    name = next(tempfile._get_candidate_names())  # type: ignore[attr-defined]  # what makes names of files
    return [str(random.random()), uuid.uuid4().hex, ssl.RAND_bytes(8).hex(), name]


def _wait(seconds: float = 600.0) -> None:
    print("started", flush=True)
    time.sleep(seconds)


def main(verb: str, *rest: str) -> int | str:
    """The exit code, or a text for `sys.exit`."""
    if verb == "facts":
        print(json.dumps(facts()))
    elif verb == "chance":
        print(json.dumps(_chance()))
    elif verb == "parent":
        print(os.getppid())
    elif verb == "exit":
        return int(rest[0])
    elif verb == "text":
        return rest[0]
    elif verb == "raise":
        raise ValueError(rest[0])
    elif verb == "at-once":
        os._exit(int(rest[0]))
    elif verb == "signal":
        os.kill(os.getpid(), int(rest[0]))
    elif verb == "last-words":
        atexit.register(print, "at the exit")
        threading.Timer(0.05, print, ["from a thread"]).start()
        print("not flushed")
    elif verb == "tidy":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
        _wait()
    elif verb == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _wait()
    elif verb == "silent":
        time.sleep(600)
    elif verb == "family":
        other = [sys.executable, "-c", "import time; time.sleep(600)"]
        print(subprocess.Popen(other, process_group=0).pid, flush=True)
    elif verb == "global":
        library: Any = sys.modules.get("preloaded")
        seen = getattr(library, "seen", None)
        if library is not None:
            library.seen = "changed by another container"
        print(json.dumps(seen))
    else:
        _wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
