"""A Functions host for the Python v2 model in one process (`python -m local.host`).

It has timers, queues, HTTP and Event Grid, and follows the real host where an app can tell the difference;
where it does not, the module says so.
"""
