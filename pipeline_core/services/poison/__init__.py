"""Messages that could not be handled: record them, show them, requeue or dismiss them."""
