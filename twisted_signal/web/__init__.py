"""The pages that the server has for people, on the port of the WebSockets."""
