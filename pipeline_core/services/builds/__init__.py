"""One build from its slot to its end: dispatch, containers, gates, publishing, stopping."""
