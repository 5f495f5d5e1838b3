"""Tests of published versions: what may enter `latest`, and what the galleries really hold."""
