"""Measurements that are too slow or too uncertain for a test. Each prints figures and their ratios in one run."""
