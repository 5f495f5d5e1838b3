"""`python -m simulation.cascade`: the same as `python -m simulation cascade`."""

import sys

from simulation.cascade.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
