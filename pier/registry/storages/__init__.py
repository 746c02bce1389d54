"""The storages that there are: a folder, and S3."""
