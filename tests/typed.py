"""Options as an operator types them, in this process."""

from twisted_signal.options import Options


def parse(*arguments: str) -> Options:
    """Return the options; those that twistd makes of the arguments."""
    options = Options()
    options.parseOptions(list(arguments))
    return options
