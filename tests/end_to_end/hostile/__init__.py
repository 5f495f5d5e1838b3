"""Team evil: the factory that it attacks, and what it tries."""
