"""Entra ID: who calls, by a verified access token."""
