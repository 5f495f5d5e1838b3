"""The `imagefactory` command: for development teams, for SecOps, and for CI. A client of the HTTP API."""
