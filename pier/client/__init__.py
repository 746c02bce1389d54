"""The typed SDK: the Engine API as a program sees it, over a unix socket or TCP.

Synchronous, small to import and free of the engine's packages: above it there is only HTTP.
"""
