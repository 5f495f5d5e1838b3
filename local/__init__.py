"""Azure on one machine: what `make run` and the tests use in place of the cloud. It is not a part of the product."""
