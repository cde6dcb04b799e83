# SPDX-License-Identifier: Apache-2.0
"""One PostgreSQL server for all store tests of a session; each test begins with an empty database."""

from collections.abc import Iterator

import pytest

from .server import PACKAGE, Server, binaries


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    found = binaries()
    if found is None:
        pytest.skip(f"PostgreSQL is not installed: apt-get install --no-install-recommends {PACKAGE}")
    made = Server(found)
    made.up()
    yield made
    made.down()


@pytest.fixture
def database(server: Server) -> str:
    return server.database()


@pytest.fixture
def address(server: Server, database: str) -> str:
    return server.address(database)
