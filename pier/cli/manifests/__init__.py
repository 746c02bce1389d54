"""``manifest``'s own parts: the folder of local lists, the documents, and which platforms there are."""
