"""Rules of this repository that no linter knows; `python -m tools.house_rules` checks them.

Each rule is a pure function: files in, findings out. `__main__` decides which rules the gate checks.
"""
