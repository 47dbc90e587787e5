"""Runs the Autobahn|Testsuite, which tries RFC 6455's corner cases, against `SignalProtocol`."""
