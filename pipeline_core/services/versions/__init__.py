"""Published versions: which may enter `latest`, what the live galleries really hold, and what follows from it."""
