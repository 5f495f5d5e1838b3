"""The composition root: which adapter stands behind which port, and which service gets which port.

One module makes one part, which is the services of one package; `foundation` is under all of them, `factory` puts
the parts together. A part's function reads what it needs from the foundation and from the parts below it, never
from a service: a service is no place to look for another one's collaborators.

What a service is given: its ports and the services it calls, each by itself. Of the records, and of the effects,
it is given the one that it uses; where it uses two or more, it is given `Records` or `Effects` as a whole. No
constructor takes more than seven arguments.
"""
