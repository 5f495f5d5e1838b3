"""Azure on one machine: what `make run` and the tests use in place of the cloud. No part of the product."""
