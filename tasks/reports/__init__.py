"""What people read: the report, the leaderboard, and the figures they are drawn with."""
