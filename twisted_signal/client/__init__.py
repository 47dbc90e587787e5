"""The Python client: `twisted_signal.client.asyncio`, or `.twisted`, with the same calls.

`docs/clients.md` shows how to use it. `core` is what both shells share, without I/O and clock.
"""
