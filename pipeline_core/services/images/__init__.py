"""One image from its registration to its rebuild: rules, observation, reconciliation, requests."""
