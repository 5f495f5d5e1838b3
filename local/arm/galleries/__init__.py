"""Compute Galleries, their versions, and the Marketplace."""
