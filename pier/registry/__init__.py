"""A registry that a team runs for years: ``pier registry serve``.

It shares ``oci`` with the engine, and ``remote`` (the registry client) where it asks other registries; nothing else.
Instances are stateless: what they know is in a database (:mod:`pier.registry.records`: SQLite or PostgreSQL), what
they hold is in a storage (:mod:`pier.registry.storage`: a folder or S3). Several of them may serve one address.

How nothing is lost, and nothing is left:

- The bytes of a blob lie at a *location* that no other upload ever had. A blob's row names its location; who deletes a
  blob takes its row first, then the bytes at that location. So a push of the same blob in that moment has another
  location, and cannot lose.
- An upload has its row, with its location, before it has bytes. Bytes without a row do not come to be.
- A blob is kept while a manifest refers to it, or a lease on it runs: an upload, a mount and a push's HEAD take
  or extend one. A manifest is stored in one transaction with its references, and only where all it refers to is there.
"""
