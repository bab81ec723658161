"""docker/compose.yaml and what it names, as they are written: read, and held against each other."""
import json
import pathlib
import re
import shutil
import subprocess

import yaml

PATIENCE = 60                        # seconds, for anything that is waited for


class Image:
    """The last stage of the Dockerfile; its files are docker/rootfs.sh's."""

    def __init__(self, path):
        text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.M))
        last = re.split(r"^FROM ", text, flags=re.M)[-1]
        self.user = int(re.search(r"^USER (\d+)", last, re.M)[1])
        self.entrypoint = json.loads(re.search(r"^ENTRYPOINT (.*)", last, re.M)[1])
        self.health = json.loads(re.search(r"^HEALTHCHECK .*?CMD (.*)", last, re.M)[1])
        self.path = re.search(r"^ENV PATH=(\S+)", last, re.M)[1]
        self.folders = re.findall(r"^COPY .*--chown=\d+:\d+ \S+ (\S+)", last, re.M)


class Compose:
    def __init__(self, root):
        self.docker = root / "docker"
        self.whole = yaml.safe_load((self.docker / "compose.yaml").read_text())
        self.services = self.whole["services"]
        self.image = Image(self.docker / "Dockerfile")
        self.proxies = [name for name, each in self.services.items() if each["image"] == "outrider"]

    @staticmethod
    def mounts(service):
        """(source, place in the container, whether it may be written)"""
        for each in service.get("volumes", []):
            source, place, *how = each.split(":")
            yield source, place, how != ["ro"]

    def on_disk(self, service, place):
        """Where a file of the container is in the repository."""
        for source, mounted, _ in self.mounts(service):
            if source.startswith("./") and (place == mounted or place.startswith(mounted + "/")):
                return self.docker / (source[2:] + place[len(mounted):])
        return None


def read_everything(compose, outrider):
    """Findings."""
    for name, service in compose.services.items():
        for source, _, _ in compose.mounts(service):
            if source.startswith(".") and not (compose.docker / source).exists():
                yield f"{name}: mounts {source}, which is not there"
            if not source.startswith(".") and source not in compose.whole["volumes"]:
                yield f"{name}: mounts {source}, which is no volume"
        for other in [*service.get("depends_on", {}), service.get("network_mode", "service:" + name).partition(":")[2]]:
            if other not in compose.services:
                yield f"{name}: waits for {other}, which is no service"
        for port in service.get("ports", []):
            if not port.startswith("127.0.0.1:"):
                yield f"{name}: its port {port} is open to more than this machine"
        for word in service.get("command", []) + service.get("entrypoint", []):
            place = word.partition("=")[2] if word.startswith("--config") else word
            if place.startswith(("/etc/", "/demo/")) and not (compose.on_disk(service, place) or pathlib.Path("/none")).is_file():
                yield f"{name}: {place} is not mounted"
        if service["image"] == "outrider" and "-c" in service.get("command", []):
            file = compose.on_disk(service, service["command"][service["command"].index("-c") + 1])
            result = subprocess.run([outrider, "config", "validate", file], capture_output=True, text=True, timeout=PATIENCE)
            if result.returncode or result.stdout or result.stderr:
                yield f"{name}: {result.stdout}{result.stderr}"
    for file in (compose.docker / "demo").glob("*.yaml"):
        if not any(f"/etc/outrider/{file.name}" in each.get("command", []) for each in compose.services.values()):
            yield f"docker/demo/{file.name}: nobody uses it"
    scraped = {target: each["labels"] for each in yaml.safe_load((compose.docker / "demo/targets.yml").read_text()) for target in each["targets"]}
    if set(scraped) != {f"{name}:15020" for name in compose.proxies}:
        yield f"docker/demo/targets.yml does not have just the proxies: {', '.join(compose.proxies)}"
    for labels in scraped.values():
        if set(labels) != {"job", "namespace", "pod"}:
            yield f"docker/demo/targets.yml: {labels} are not job, namespace and pod"
    grafana = compose.services["grafana"]
    places = {place for _, place, _ in compose.mounts(grafana)}
    provider = yaml.safe_load((compose.docker / "grafana/provisioning/dashboards/outrider.yaml").read_text())
    source = (compose.docker / "grafana/provisioning/datasources/prometheus.yaml").read_text()
    if provider["providers"][0]["options"]["path"] not in places or "/etc/grafana/provisioning" not in places:
        yield "grafana: its dashboards are not mounted where it is told to look"
    home = compose.on_disk(grafana, grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    if not home or not home.is_file():
        yield "grafana: its first dashboard is not there"
    for variable in re.findall(r"\$\{(\w+)\}", source):
        if variable not in grafana["environment"]:
            yield f"grafana: {variable} is not set"
    collector = yaml.safe_load((compose.docker / "otel-collector.yaml").read_text())
    for pipeline in collector["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            for name in names:
                if name not in collector[kind]:
                    yield f"otel-collector.yaml: no {name} among {kind}"
    if checker := shutil.which("docker-compose"):
        result = subprocess.run([checker, "-f", compose.docker / "compose.yaml", "config", "-q"], capture_output=True, text=True, timeout=PATIENCE)
        if result.returncode:
            yield f"docker-compose config: {result.stdout}{result.stderr}"

