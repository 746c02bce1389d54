"""Blobs come in, go out and are linked (over ``deps.Registry``)."""
