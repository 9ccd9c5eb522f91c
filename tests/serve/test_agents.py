"""The catalogue for agents: questions, and writes only where they are allowed."""

import asyncio
import os
import sys

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from nearclass.serve.agents import agent_server

QUESTIONS = {"assign", "explain", "search", "list_classes"}


def talk(server, work):
    async def run():
        async with Client(server) as client:
            return await work(client)

    return asyncio.run(run())


def test_an_agent_can_ask_everything_and_change_nothing(catalog):
    async def work(client):
        names = {tool.name for tool in (await client.list_tools()).tools}
        asked = await client.call_tool("assign", {"texts": ["boils water for tea", "digs the soil"]})
        why = await client.call_tool("explain", {"text": "boils water for tea"})
        classes = await client.call_tool("list_classes", {"under": "Garden"})
        refused = await client.call_tool("list_classes", {"under": "no such class"})
        return names, asked.structured_content, why.structured_content, classes.structured_content, refused

    names, asked, why, classes, refused = talk(agent_server(catalog), work)
    assert names == QUESTIONS
    assert [one["candidates"][0]["class_id"] for one in asked["answers"]] == ["kettles", "spades"]
    assert why["evidence"]
    assert why["rule"]
    assert [row["id"] for row in classes["classes"]] == ["garden", "spades", "hoses"]
    assert refused.is_error
    assert "no such class" in refused.content[0].text


def test_with_writes_allowed_an_agent_can_confirm_and_add_and_is_named_in_the_history(catalog):
    async def work(client):
        added = {"name": "Lamps", "description": "Give light.", "parent": "home", "why": "asked for"}
        made = await client.call_tool("add_class", added)
        return {tool.name for tool in (await client.list_tools()).tools}, made.structured_content

    names, made = talk(agent_server(catalog, allow_writes=True), work)
    assert names == QUESTIONS | {"confirm_items", "add_class", "retire_class"}
    entry = catalog.classes.log()[0]
    assert (made["id"], entry.by, entry.message) == ("home-kitchen/lamps", "agent", "asked for")


@pytest.mark.slow
def test_the_command_speaks_over_standard_input_and_output(catalog):
    uri = catalog.settings.uri
    catalog.close()

    async def work():
        environment = dict(os.environ) | {"NEARCLASS_URI": uri, "NEARCLASS_PRECISION": "float32"}
        given = StdioServerParameters(command=sys.executable, args=["-m", "nearclass", "mcp"], env=environment)
        async with Client(stdio_client(given)) as client:
            found = await client.call_tool("assign", {"texts": ["digs the soil"]})
            return found.structured_content["answers"][0]["candidates"][0]["class_id"]

    assert asyncio.run(work()) == "spades"
