"""Pier's own build protocol: frames over an upgraded connection, and folders handed over as descriptors.

``frames.py`` says what goes over the wire; ``pier/client/buildlink.py`` is the other end.
"""
