"""The shapes in which families of clients say the same things: one module a family."""
