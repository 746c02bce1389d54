"""Manifests and what they are found by: put, get, delete, tags, referrers, the catalogue (over ``deps.Registry``)."""
