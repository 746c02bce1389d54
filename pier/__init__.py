"""Pier: a container engine with the Docker Engine API. Import its packages, never this root."""
