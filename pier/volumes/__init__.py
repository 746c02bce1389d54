"""Volumes: directories with a name that outlive the containers that use them."""
