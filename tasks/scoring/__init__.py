"""What there is to score, its shards, the published scores, the inbox's folders."""
