"""One release goes through a large fleet: this factory's real services compared with models of other policies.

`command` is the program, `fleet` has the images and the lower bound, `factory` the services, `models` the other
policies.
"""

from benchmarks.cascade.command import main

__all__ = ["main"]
