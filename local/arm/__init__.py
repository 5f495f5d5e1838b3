"""An emulator of Azure Resource Manager and what stands beside it, over the real wire protocol.

One module per service, as on Azure. What it does not know it refuses loudly; it never invents an answer.
"""
