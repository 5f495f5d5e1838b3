"""What stands in for the builder in a container of the contract tests: it does what IF_JOB says."""

import os
import sys
import time

word, _, rest = os.environ.get("IF_JOB", "exit:0").partition(":")
print(f"doing {word}", flush=True)
if word == "exit":
    sys.exit(int(rest))
time.sleep(600)
