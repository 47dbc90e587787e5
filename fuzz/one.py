"""`python -m fuzz.one TARGET SECONDS`: one target with atheris, which ends its process."""

import sys

import atheris

with atheris.instrument_imports(include=["twisted_signal", "autobahn.websocket", "jwt"]):
    from fuzz import engines

if __name__ == "__main__":
    engines.with_atheris(sys.argv[1], float(sys.argv[2]))
