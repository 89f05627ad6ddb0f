"""The page on which people review scores: a small server of this machine and what the browser shows."""
