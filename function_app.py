"""The function app: registers every trigger, and does nothing else.

An import of this file builds the function table and no more. It reads no settings, makes no client, and loads
no Azure SDK before the first event. One error here would hide every function.
"""

from triggers import gallery, http, poison, provider, queues, timers

app = http.function_app(provider.factory)
app.register_functions(timers.blueprint(provider.factory))
app.register_functions(queues.blueprint(provider.factory))
app.register_functions(poison.blueprint(provider.factory))
app.register_functions(gallery.blueprint(provider.factory))
