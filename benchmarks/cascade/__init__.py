"""One release through a large fleet: this factory's real services against models of other policies.

`command` is its program, `fleet` the images and the lower bound, `factory` the services, `models` the others.
"""

from benchmarks.cascade.command import main

__all__ = ["main"]
