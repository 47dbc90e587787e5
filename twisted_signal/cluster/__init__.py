"""Several servers that behave as one: rooms across nodes."""
