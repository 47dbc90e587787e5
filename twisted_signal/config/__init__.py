"""Where the values of options come from: the command line, the environment, a TOML file, defaults.

An option has one name everywhere. `--max-clients 100` is `VISLAM_SIGNAL_MAX_CLIENTS=100` in the
environment and `max-clients = 100` in the file.
"""
