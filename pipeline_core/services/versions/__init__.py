"""Published versions: which may enter `latest`, what the live galleries hold, what retention removes of them."""
