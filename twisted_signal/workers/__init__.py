"""Several processes that share the work and the ports, and their parent, which serves no client."""
