"""The registry client: finding a registry, proving who asks, fetching and pushing blobs and manifests."""
