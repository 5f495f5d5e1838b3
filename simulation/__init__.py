"""The real services on memory twins under virtual time. It uses neither Azure nor this machine's clock."""
