"""vislam-signal: a WebRTC signaling server for visual-inertial SLAM."""

__version__ = "0.1.0"
