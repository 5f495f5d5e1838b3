"""Keys of rows and names of blobs that sort the highest number first: a table and a container list in one order only.

The texts are stored: the width and the bound of a use must not change.
"""


def highest_first(number: int, *, most: int) -> str:
    """`most` minus the number, in the width of `most`. A number below 0 counts as 0, one above `most` as `most`."""
    return f"{most - min(max(0, number), most):0{len(str(most))}d}"
