"""Caches that travel: in a registry, in a folder of the client's, or in the image itself."""
