"""A Functions host for the Python v2 model in one process (`python -m local.host`).

It has timers, queues, HTTP and Event Grid. It follows the real host wherever an app can see a difference. A module
says so if it does not follow it.
"""
