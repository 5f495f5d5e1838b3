"""Rows, messages and documents as earlier commits wrote them, kept as files and read by every later commit."""
