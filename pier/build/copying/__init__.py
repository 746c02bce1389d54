"""Performing a COPY: where files land, as what, and what archives hold."""
