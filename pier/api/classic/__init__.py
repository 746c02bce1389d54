"""The builder as classic clients know it: ``POST /build``, and its stream of messages."""
