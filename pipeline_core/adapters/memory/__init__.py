"""A twin of every port in memory, for tests and the simulation: the same answers and refusals as Azure's."""
