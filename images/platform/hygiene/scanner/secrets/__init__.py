"""Decides by content alone whether bytes hold a private key or a token. Pure: no file is read here."""
