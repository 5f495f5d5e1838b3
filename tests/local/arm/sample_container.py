"""The program of the tests' containers. Its first argument selects what it does."""

import json
import os
import signal
import subprocess
import sys
import time


def main(words: list[str]) -> int:
    """The exit code."""
    verb = words[0]
    if verb == "exit":
        print(f"leaving with {words[1]}", flush=True)
        return int(words[1])
    if verb == "environment":
        print(json.dumps(dict(os.environ)), flush=True)
        return 0
    if verb == "many-lines":
        for number in range(int(words[1])):
            print(f"line {number:06d}")
        return 0
    if verb == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if verb in ("family", "orphan"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
        print(child.pid, flush=True)
    if verb == "orphan":
        return 0
    print("started", flush=True)
    time.sleep(600)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
