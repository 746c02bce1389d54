"""The registry's settings: defaults, a TOML file, the environment and flags, in this order of weight."""

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds and bytes, where nothing else is said."""

    root: str = "/var/lib/pier-registry"
    listen: tuple[str, ...] = ("127.0.0.1:5000",)
    database: str = ""  # sqlite:///path or postgresql://…; by default registry.db in the root
    storage: str = ""  # file:///path or s3://bucket/prefix?…; by default the folder blobs of the root
    lease: int = 3600
    upload_life: int = 24 * 3600
    collect_every: int = 15
    largest_manifest: int = 4 << 20
