"""``pier build``: its flags to a request, what it gives to the engine, and the views of its progress."""
