"""Blobs by digest, and the journal of work in progress."""
