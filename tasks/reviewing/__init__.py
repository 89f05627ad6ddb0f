"""Reviews: what there is to look at of scores, what people answered, and what is published and learned from it."""
