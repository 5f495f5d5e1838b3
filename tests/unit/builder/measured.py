"""Runs a program and prints, last, the most memory in KiB that it or a child of it had: `measured.py PROGRAM...`."""

import resource
import subprocess
import sys

if __name__ == "__main__":
    done = subprocess.run(sys.argv[1:], check=False)
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    sys.exit(done.returncode)
