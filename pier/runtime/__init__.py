"""Processes in containers: the OCI specification, the runtime that starts it and conmon that minds it."""
