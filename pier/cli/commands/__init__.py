"""The commands: each file holds the tables of one noun or verb, and what they do."""
