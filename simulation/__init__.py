"""The real services on memory twins under virtual time. Nothing of Azure, nothing of this machine's clock."""
