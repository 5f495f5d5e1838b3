"""An emulator of Azure Resource Manager and of the services beside it, over the real wire protocol.

One module per service, as on Azure. It refuses a call that it does not know, with an error that names the call. It
never invents an answer.
"""
