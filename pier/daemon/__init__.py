"""The ``pierd`` process: its settings, the wiring of all services, its sockets, its start and stop.

``wiring`` is the only place that constructs services.
"""
