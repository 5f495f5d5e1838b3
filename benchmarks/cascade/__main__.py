"""`python -m benchmarks.cascade`; `python -m simulation cascade` starts it too."""

import sys

from benchmarks.cascade.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
