"""The vocabulary of images: digests, references, platforms, manifests and configs. Pure values, no I/O."""
