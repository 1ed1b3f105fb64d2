"""Options of the integration and crash tests."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--mysql97", action="store_true", help="run the tests that need MySQL 9.7 (make test-mysql97)")


def pytest_configure(config):
    config.addinivalue_line("markers", "mysql97: needs MySQL 9.7, which follows Debian sid and is not part of make test")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--mysql97"):
        for item in items:
            if "mysql97" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="make test-mysql97 runs it"))
