"""Azure behind the ports, one module per port. SDK types and SDK errors do not leave this package."""
