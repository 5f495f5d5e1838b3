"""The composition root: the adapter behind each port, and the ports of each service.

One module makes one part, which holds the services of one package. `foundation` is under all of them, and
`factory` joins the parts. A part's function reads its inputs from the foundation and from the parts below it,
never from a service: a service must not hand out its collaborators to others.

A service is given its ports and the services that it calls, each by itself. If it uses one of the records, or
one of the effects, it is given only that one. If it uses two or more, it is given `Records` or `Effects` as a
whole. No constructor takes more than seven arguments.
"""
