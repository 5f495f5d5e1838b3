"""A twin of every port in memory, for tests and the simulation. It gives the same answers and refusals as Azure."""
