"""Folders that builds read: the client's, synchronised or in place, with what is known of their contents."""
