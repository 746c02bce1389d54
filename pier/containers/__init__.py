"""Containers: their record and state, and one module for each verb that changes or reads them.

The first parameter of a verb is ``deps`` (the collaborators), the second names the container.
"""
