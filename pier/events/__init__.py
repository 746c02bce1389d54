"""What happened: the event bus that ``docker events`` reads, and Docker's filter language."""
