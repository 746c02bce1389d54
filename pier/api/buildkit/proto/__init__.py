"""The messages: ``*.proto`` are ours, with the names and numbers of the wire; ``scripts/protos`` makes the modules."""
