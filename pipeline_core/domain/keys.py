"""Keys of rows and names of blobs that sort the highest number first: a table and a container list in one order only.

The texts are stored, so that neither the width nor the bound of a use may change.
"""


def highest_first(number: int, *, most: int) -> str:
    """What is left to `most`, in its width; a number below 0 or above `most` counts as the nearer of the two."""
    return f"{most - min(max(0, number), most):0{len(str(most))}d}"
