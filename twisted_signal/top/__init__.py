"""`vislam-signal top`: the live page in a terminal."""
