"""What scoring did over time: kept of every scores and review, added up by day, and held against what is usual."""
