"""Rules of this repository that no linter knows; `python -m tools.house_rules` checks them.

Each rule is a pure function: files in, findings out. Which rules the gate holds is `__main__`'s part.
"""
