"""The files that run the whole system: well-formed, safe by default, and in step with the commands."""

import re
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import click
import pytest
import yaml

from nearclass.cli.app import cli
from nearclass.health import alive
from nearclass.health.finding import State
from nearclass.health.packages import milvus_floor
from nearclass.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker-compose.yml"
TEXT = COMPOSE.read_text(encoding="utf-8")
WHOLE = yaml.safe_load(TEXT)
SERVICES = WHOLE["services"]
OURS = ("api", "worker")
VALUES = yaml.safe_load((ROOT / "deploy/helm/milvus-values.yaml").read_text(encoding="utf-8"))

every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_compose_file_is_one_by_its_schema():
    command = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(COMPOSE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_the_whole_system():
    assert set(SERVICES) == {"etcd", "minio", "milvus", "redis", *OURS}


@every_service
def test_an_image_has_a_version(name):
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert image
    assert re.search(r"\d+\.\d+|RELEASE\.\d{4}", tag)


@every_service
def test_a_service_is_watched_limited_and_started_again(name):
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["restart"] == "unless-stopped"
    assert "no-new-privileges:true" in service["security_opt"]


@every_service
def test_nothing_is_published_but_the_service_and_only_to_this_machine(name):
    ports = SERVICES[name].get("ports", [])
    assert ports == (["127.0.0.1:8000:8000"] if name == "api" else [])
    networks = {
        network for network in SERVICES[name]["networks"] if not (WHOLE["networks"][network] or {}).get("internal")
    }
    assert networks == ({"front"} if name == "api" else set())


@every_service
def test_no_password_stands_in_the_file(name):
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search("PASSWORD|SECRET|TOKEN|AUTH$|BROKER_URL", key):
            assert re.search(r"\$\{\w+:\?", value), key
    assert "minioadmin" not in TEXT


@every_service
def test_what_a_service_needs_is_healthy_first_and_its_data_is_in_a_named_volume(name):
    service = SERVICES[name]
    for needed, how in service.get("depends_on", {}).items():
        assert needed in SERVICES
        assert how == {"condition": "service_healthy"}
        assert set(SERVICES[needed]["networks"]) & set(service["networks"])
    assert service["volumes"]
    assert {volume.partition(":")[0] for volume in service["volumes"]} <= set(WHOLE["volumes"])


def test_every_variable_is_in_the_example_and_every_required_one_is_asked_for_there():
    used = set(re.findall(r"\$\{(\w+)", TEXT))
    required = set(re.findall(r"\$\{(\w+):\?", TEXT))
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert used == set(re.findall(r"^#?(\w+)=", example, re.MULTILINE))
    assert required <= set(re.findall(r"^(\w+)=$", example, re.MULTILINE))
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert ".env" in ignored


@pytest.mark.parametrize(
    "tag", [SERVICES["milvus"]["image"].rpartition(":v")[2], VALUES["image"]["all"]["tag"].removeprefix("v")]
)
def test_milvus_is_above_its_known_flaws(tag):
    assert milvus_floor(f"milvus {tag}").state is State.OK


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_a_command_that_there_is(name):
    command, *arguments = SERVICES[name]["command"]
    found = cli.commands[command]
    parameters = dict(_options(found))
    given = [argument for argument in arguments if argument.startswith("--")]
    assert set(given) <= set(parameters)
    found.make_context(command, list(arguments), resilient_parsing=True)


def _options(command: click.Command):
    return ((name, one) for one in command.params if isinstance(one, click.Option) for name in one.opts)


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_settings_that_there_are_and_no_way_to_write(name):
    service = SERVICES[name]
    known = {f"{ENV_PREFIX}{field}".upper() for field in Settings.model_fields}
    assert set(service["environment"]) <= known
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_the_image_is_not_run_by_root_and_says_whether_it_is_well():
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    last = dockerfile.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert not re.search(r"FROM \S+:latest|FROM [^:\s]+\s", dockerfile)
    extras = re.search(r'EXTRAS="([\w,-]+)"', dockerfile)[1].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(extras) <= set(project["project"]["optional-dependencies"])


def test_the_image_is_built_from_every_package_and_nothing_else():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {name.split(".")[1] for name in project["tool"]["setuptools"]["packages"] if "." in name}
    assert "*" in lines
    assert packages == {line[1:-1] for line in lines if line.startswith("!") and line.endswith("/")}


def test_the_cluster_has_a_lock_and_no_broker_that_is_not_needed():
    user = yaml.safe_load(VALUES["extraConfigFiles"]["user.yaml"])
    assert user["common"]["security"]["authorizationEnabled"] is True
    assert VALUES["service"]["type"] == "ClusterIP"
    assert VALUES["minio"]["existingSecret"]
    assert not {"accessKey", "secretKey"} & set(VALUES["minio"])
    assert VALUES["pulsar"]["enabled"] is VALUES["kafka"]["enabled"] is False
    for name in ("mixCoordinator", "proxy", "queryNode", "streamingNode", "dataNode"):
        assert set(VALUES[name]["resources"]) == {"requests", "limits"}


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_container_says_whether_its_service_answers(capsys):
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert alive.main(f"{url}/healthz") == 0
        assert alive.main(f"{url}/readyz") == 1
        server.shutdown()
    assert "503" in capsys.readouterr().err
    assert alive.main("http://127.0.0.1:1/healthz") == 1
    assert alive.main("nowhere") == 1
