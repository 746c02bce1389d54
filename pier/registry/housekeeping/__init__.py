"""What goes on while the registry serves: what nothing refers to goes, and what the rules of a project let go."""
