"""Makes `twistd vislam-signal` known to Twisted.

An import that fails here breaks every `twistd` command of the machine, so this file imports
Twisted's ServiceMaker and nothing else.
"""

from twisted.application.service import ServiceMaker

vislam_signal = ServiceMaker(
    "vislam-signal",
    "twisted_signal.tap",
    "A WebRTC signaling server for visual-inertial SLAM.",
    "vislam-signal",
)
