"""Programs that people and the gate run on this repository. Nothing of the product imports them."""
