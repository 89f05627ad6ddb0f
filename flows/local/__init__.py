"""Pages of this machine, open to its user alone: the server, and what the pages have in common."""
