"""Side by side with peers, and quality scores: where the numbers of the README come from."""
