"""The close codes that the server says: RFC 6455, section 7.4.1, and its own from 4000 on.

docs/protocol.md lists them.
"""

NORMAL = 1000
GOING_AWAY = 1001
UNSUPPORTED_DATA = 1003
ABNORMAL_CLOSURE = 1006
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011

REGISTER_TIMEOUT = 4408
REPLACED = 4409
"""For a connection whose place another one has taken."""
DISMISSED = 4410
"""For a client that the operator sends away."""
TOO_MANY = 4429
