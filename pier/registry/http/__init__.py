"""The registry over HTTP: OCI distribution 1.1 on a router of its own, health and metrics."""
