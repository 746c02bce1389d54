"""What containers printed: drivers that read, follow and rotate the files that conmon writes."""
