"""What an operator sees of the running server, and can do to it: by HTTP, on an endpoint apart."""
