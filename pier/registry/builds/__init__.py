"""Images of Git repositories, built by an engine when a webhook says that one has changed."""
