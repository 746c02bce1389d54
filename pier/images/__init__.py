"""Images: what an image is, where records of it are kept, and how it comes, goes and is unpacked."""
