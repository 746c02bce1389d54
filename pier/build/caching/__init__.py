"""The build cache's housekeeping: what is kept, what it takes, and what goes."""
