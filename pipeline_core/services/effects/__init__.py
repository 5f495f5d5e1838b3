"""The effects of every service: messages, journal, documents and projections."""
