"""What runs on a deployed machine: certificates from Key Vault, and the enrolment of agents.

Python 3.9 and its standard library alone, because /usr/libexec/platform-python of RHEL 9 runs it. No value of a
secret enters a log, a command line or the state, except where a vendor's program gives no other way; the definition
of that agent says so.
"""
