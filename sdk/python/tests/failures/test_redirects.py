"""Redirects are followed on the same server alone."""

from __future__ import annotations

import pytest

from tests.server import answers


def redirect(status, location):
    return answers(status, b"", Location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_on_the_same_server_keep_the_request(make_reporter, make_config, server, status):
    server.behaviours["/v1/register"] = [redirect(status, "/v1/register")]
    make_reporter().tick()

    assert server.paths == ["/v1/register", "/v1/register", "/v1/activate", "/v1/snapshot"]
    assert server.requests[0] == server.requests[1]


def test_redirects_to_another_host_are_not_followed(make_reporter, server, state):
    port = server.url.rsplit(":", 1)[1]
    server.always["/v1/register"] = redirect(307, f"http://localhost:{port}/v1/register")
    make_reporter().tick()

    assert server.paths == ["/v1/register"]
    assert "another server; nothing was sent there" in state().problem


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/", "ftp://127.0.0.1/", "//example.org/", "http://[::1", "\t"])
def test_nor_to_anything_else(make_reporter, server, state, location):
    server.always["/v1/register"] = redirect(308, location)
    make_reporter().tick()

    assert set(server.paths) == {"/v1/register"}
    assert "redirects" in state().problem


def test_redirects_in_a_circle_end(make_reporter, server, state):
    server.always["/v1/register"] = redirect(307, "/v1/register")
    make_reporter().tick()

    assert len(server.requests) == 4
    assert "in a circle" in state().problem
