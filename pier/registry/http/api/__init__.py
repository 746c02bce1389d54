"""``/api/v1/``: people, projects and what the repositories hold, as JSON; and Docker's search."""
