"""`python -m builder`: gives the environment to `main` and ends with its exit code. Decides nothing."""

import os
import sys

from builder import main

if __name__ == "__main__":
    sys.exit(main.run(os.environ).value)
