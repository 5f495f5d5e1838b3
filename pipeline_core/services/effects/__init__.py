"""What every service writes through: messages, journal, documents and projections."""
