"""The policy of SecOps: keep it, and apply it to definitions and builds."""
