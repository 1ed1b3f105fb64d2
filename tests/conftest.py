"""Options of the integration and crash tests."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--mysql97", action="store_true", help="run the tests that need MySQL 9.7 (make test-mysql97)")
    parser.addoption("--all-readers", action="store_true", help="run all tests with foreign readers and writers (make test-readers)")


def pytest_configure(config):
    config.addinivalue_line("markers", "mysql97: needs MySQL 9.7, which follows Debian sid and is not part of make test")
    config.addinivalue_line("markers", "readers: needs Spark; all of them run in one process, with one session of it")
    config.addinivalue_line("markers", "all_readers: needs Spark or Trino and is not part of make test")


def pytest_collection_modifyitems(config, items):
    for option, marker, target in (("--mysql97", "mysql97", "test-mysql97"), ("--all-readers", "all_readers", "test-readers")):
        if not config.getoption(option):
            for item in items:
                if marker in item.keywords:
                    item.add_marker(pytest.mark.skip(reason=f"make {target} runs it"))


@pytest.fixture(scope="session")
def spark():
    """One JVM for all tests. `make test` installs it: where it is missing, that is a failure."""
    from tests.harness import spark as module

    assert not module.unavailable(), module.unavailable()
    with module.Spark() as spark:
        yield spark


@pytest.fixture(scope="session")
def trino():
    from tests.harness import trino as module

    if module.unavailable():
        pytest.skip(module.unavailable())
    with module.Trino() as trino:
        yield trino
