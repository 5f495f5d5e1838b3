"""The ways in which a run can fail, with the exit status of each."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """The exit statuses of `certlc` and `enrol`. docs/postdeploy.md lists them."""

    DONE = 0  # everything is as configured
    BROKEN = 1  # a mistake in this program
    IDENTITY = 10  # the machine's identity gave no token in time
    VAULT = 11  # Key Vault could not be reached in time
    DENIED = 12  # Key Vault refused the identity
    MISSING = 13  # the secret, or this version of it, does not exist or is disabled
    REFUSED = 14  # what Key Vault holds cannot be used
    SERVICE = 15  # a service did not come up; the former version is back
    BUSY = 16  # another run is going on
    PACKAGE = 20  # the staged package or its key is not as pinned, or could not be installed
    ENROLMENT = 21  # the vendor's program refused, or its service does not run
    CONFIGURATION = 78  # EX_CONFIG: the configuration is wrong


class Failed(Exception):
    """One certificate, one agent or the whole run cannot go on.

    `reason` is one word for queries, `text` the sentence for people. Neither may hold a value of a secret.
    """

    def __init__(self, code: Exit, reason: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.reason = reason
        self.text = text
