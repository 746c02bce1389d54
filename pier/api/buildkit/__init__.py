"""BuildKit's gRPC services, so that buildx and Compose build here. Loaded with the first request of this kind."""
