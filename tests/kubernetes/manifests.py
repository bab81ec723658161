#!/usr/bin/env python3
"""Are the manifests of docker/kubernetes true?

  manifests.py SOURCE_ROOT --outrider build/outrider

Every overlay is built by `kubectl kustomize`, and what comes out is held against itself: names that are referred to are there,
selectors find pods, ports have names, programs run without rights, metrics that are asked for exist. What is injected is injected
by `outrider inject`, and configurations are read by those who would read them (promtool, outrider).
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

try:
    import yaml
except ImportError:
    print("needs Python's yaml (Debian: python3-yaml)")
    sys.exit(77)

PATIENCE = 60                        # seconds, for a program that is called
# Secrets and ConfigMaps that somebody else makes: identities.sh, cert-manager, the webhook's own certificate.
MADE_ELSEWHERE = {"outrider-identity", "outrider-mesh-key", "outrider-webhook", "outrider-webhook-tls", "outrider-webhook-cert"}
WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job"}
CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding", "APIService", "MutatingWebhookConfiguration"}


class Overlay:
    def __init__(self, folder):
        self.name = folder.name
        result = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, timeout=PATIENCE)
        self.text, self.trouble = result.stdout, result.stderr if result.returncode or result.stderr.strip() else ""
        self.objects = [each for each in yaml.safe_load_all(self.text) if each]

    def of(self, *kinds):
        return [each for each in self.objects if each["kind"] in kinds]

    def names(self, kind, namespace):
        return {each["metadata"]["name"] for each in self.of(kind) if each["metadata"].get("namespace") == namespace}

    def pods(self, namespace=None):
        """(workload, template) of each."""
        for each in self.of(*WORKLOADS):
            if namespace in (None, each["metadata"].get("namespace")):
                yield each, each["spec"]["template"]


def called(each):
    return f"{each['kind']} {each['metadata'].get('namespace', '')}/{each['metadata']['name']}"


def chosen(selector, labels):
    wanted = selector.get("matchLabels", selector if "matchExpressions" not in selector else {})
    return all(labels.get(key) == value for key, value in wanted.items())


def ports(template):
    return {port.get("name"): port for container in template["spec"].get("initContainers", []) + template["spec"]["containers"]
            for port in container.get("ports", [])}


def findings_of_pods(overlay):
    for workload, template in overlay.pods():
        name, spec, space = called(workload), template["spec"], workload["metadata"].get("namespace")
        if not chosen(workload["spec"]["selector"], template["metadata"]["labels"]):
            yield f"{name}: its selector does not find its own pods"
        account = spec.get("serviceAccountName")
        if account and account not in overlay.names("ServiceAccount", space):
            yield f"{name}: no ServiceAccount {account}"
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for volume in volumes.values():
            for source in [volume, *volume.get("projected", {}).get("sources", [])]:
                secret, config = source.get("secret", {}), source.get("configMap", {})
                secret = secret.get("secretName", secret.get("name"))
                if secret and secret not in MADE_ELSEWHERE | overlay.names("Secret", space):
                    yield f"{name}: no Secret {secret}"
                if config and config["name"] not in overlay.names("ConfigMap", space):
                    yield f"{name}: no ConfigMap {config['name']}"
        for container in spec.get("initContainers", []) + spec["containers"]:
            which = f"{name}, {container['name']}"
            secure = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
            if secure.get("allowPrivilegeEscalation") is not False or not secure.get("runAsNonRoot") \
                    or secure.get("capabilities", {}).get("drop") != ["ALL"] or secure.get("seccompProfile", {}).get("type") != "RuntimeDefault":
                yield f"{which}: is not as the Pod Security Standard `restricted` wants it"
            if "memory" not in container.get("resources", {}).get("limits", {}) or "cpu" not in container["resources"].get("requests", {}):
                yield f"{which}: without a limit of memory and a request of CPU"
            if ":" not in container["image"]:
                yield f"{which}: its image has no tag"
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"{which}: mounts {mount['name']}, which is no volume"
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                port = container.get(kind, {}).get("httpGet", {}).get("port")
                if isinstance(port, str) and port not in {each.get("name") for each in container.get("ports", [])}:
                    yield f"{which}: its {kind} asks port {port}, which has no such name"
            for port in container.get("ports", []):
                if len(port.get("name", "")) > 15:
                    yield f"{which}: {port['name']} is longer than 15 characters"


def findings_of_names(overlay):
    seen = set()
    spaces = {each["metadata"]["name"] for each in overlay.of("Namespace")}
    for each in overlay.objects:
        key = (each["apiVersion"], called(each))
        if key in seen:
            yield f"{called(each)} is there twice"
        seen.add(key)
        if each["kind"] not in CLUSTER_WIDE and each["metadata"].get("namespace") not in spaces:
            yield f"{called(each)}: its namespace is not made by this overlay"
        if each["kind"] == "ConfigMap" and len(json.dumps(each)) > 250_000:
            yield f"{called(each)}: too large for kubectl apply"
    for service in overlay.of("Service"):
        found = [template for _, template in overlay.pods(service["metadata"].get("namespace"))
                 if chosen(service["spec"]["selector"], template["metadata"]["labels"])]
        if not found:
            yield f"{called(service)}: finds no pod"
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            if isinstance(target, str) and not all(target in ports(template) for template in found):
                yield f"{called(service)}: no port {target}"
    for policy in overlay.of("NetworkPolicy", "PodDisruptionBudget"):
        selector = policy["spec"].get("podSelector", policy["spec"].get("selector"))
        found = [template for _, template in overlay.pods(policy["metadata"].get("namespace")) if chosen(selector, template["metadata"]["labels"])]
        if not found:
            yield f"{called(policy)}: is about no pod"
        for rule in policy["spec"].get("ingress", []):
            for port in rule.get("ports", []):
                if isinstance(port["port"], str) and not all(port["port"] in ports(template) for template in found):
                    yield f"{called(policy)}: no port {port['port']}"
    for binding in overlay.of("ClusterRoleBinding", "RoleBinding"):
        role = binding["roleRef"]
        if not role["name"].startswith("system:") and role["name"] not in {each["metadata"]["name"] for each in overlay.of(role["kind"])}:
            yield f"{called(binding)}: no {role['kind']} {role['name']}"
        for subject in binding["subjects"]:
            if subject["namespace"] != "kube-system" and subject["name"] not in overlay.names("ServiceAccount", subject["namespace"]):
                yield f"{called(binding)}: no ServiceAccount {subject['namespace']}/{subject['name']}"
    for scaler in overlay.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        if not any(each["kind"] == target["kind"] and each["metadata"]["name"] == target["name"] for each, _ in overlay.pods(scaler["metadata"]["namespace"])):
            yield f"{called(scaler)}: scales {target['name']}, which is not there"
        if not any("spec" in each and each["spec"].get("selector") for each in overlay.of("PodDisruptionBudget")):
            yield f"{called(scaler)}: nothing keeps some of it while nodes are drained"


def findings_of_metrics(overlay, names):
    """What is asked for by the autoscaler, the adapter and rules: of our metrics, and shown by the adapter."""
    shown = set()
    for config in overlay.of("ConfigMap"):
        for key, text in config.get("data", {}).items():
            if key == "config.yaml" and "seriesQuery" in text:
                for rule in yaml.safe_load(text)["rules"]:
                    series = re.match(r"\w+", rule["seriesQuery"])[0]
                    how = rule.get("name", {})
                    shown.add(re.sub(how["matches"], how["as"], series) if how else series)
                    if series not in names:
                        yield f"{called(config)}: {series} is no metric of ours"
    for scaler in overlay.of("HorizontalPodAutoscaler"):
        for metric in scaler["spec"]["metrics"]:
            if metric["type"] == "Pods" and metric["pods"]["metric"]["name"] not in shown:
                yield f"{called(scaler)}: the adapter shows no {metric['pods']['metric']['name']}, only {sorted(shown)}"


# A pod as Prometheus finds it, and what it has to become.
FOUND = {"__address__": "10.1.2.3:8080", "__meta_kubernetes_namespace": "shop", "__meta_kubernetes_pod_name": "web-1", "__meta_kubernetes_pod_phase": "Running",
         "__meta_kubernetes_pod_node_name": "n1", "__meta_kubernetes_pod_ip": "10.1.2.3", "__meta_kubernetes_pod_label_app_kubernetes_io_name": "web",
         "__meta_kubernetes_pod_annotation_prometheus_io_scrape": "true", "__meta_kubernetes_pod_annotation_prometheus_io_port": "15020",
         "__meta_kubernetes_pod_annotation_prometheus_io_path": "/metrics"}
SCRAPED = {"__address__": "10.1.2.3:15020", "__metrics_path__": "/metrics", "job": "web", "namespace": "shop", "pod": "web-1", "node": "n1"}
PODS = {"a pod": (FOUND, SCRAPED),
        "a pod with IPv6": ({**FOUND, "__meta_kubernetes_pod_ip": "fd00::7"}, {**SCRAPED, "__address__": "[fd00::7]:15020"}),
        "a pod with the label app": ({**{key: value for key, value in FOUND.items() if "label" not in key}, "__meta_kubernetes_pod_label_app": "old"},
                                     {**SCRAPED, "job": "old"}),
        "a pod that ended": ({**FOUND, "__meta_kubernetes_pod_phase": "Succeeded"}, None),
        "a pod that is not scraped": ({key: value for key, value in FOUND.items() if "scrape" not in key}, None)}


def findings_of_prometheus(overlay):
    maps = {each["metadata"]["name"].rsplit("-", 1)[0]: each["data"] for each in overlay.of("ConfigMap")}
    if not shutil.which("promtool") or "prometheus-config" not in maps:
        return
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "rules").mkdir()
        for name, text in maps["prometheus-rules"].items():
            (place / "rules" / name).write_text(text)
        config = yaml.safe_load(maps["prometheus-config"]["prometheus.yml"].replace("/etc/prometheus/rules", str(place / "rules")))
        for case, (found, wanted) in PODS.items():
            # Debian's has no discovery by Kubernetes: pods are named to it as that would find them.
            job = config["scrape_configs"][0]
            job.pop("kubernetes_sd_configs", None)
            job["static_configs"] = [{"targets": [found["__address__"]], "labels": {key: value for key, value in found.items() if key != "__address__"}}]
            (place / "prometheus.yml").write_text(yaml.safe_dump(config))
            for words in (["config"], ["service-discovery"]):
                more = [job["job_name"]] if words == ["service-discovery"] else []
                result = subprocess.run(["promtool", "check", *words, place / "prometheus.yml", *more], capture_output=True, text=True, timeout=PATIENCE)
                if result.returncode:
                    yield f"promtool check {words[0]}: {result.stdout}{result.stderr}"
                    return
            labels = json.loads(result.stdout)[0].get("labels") or None
            if wanted is None and labels:
                yield f"{case} is scraped, as {labels}"
            for key, value in (wanted or {}).items():
                if not labels or labels.get(key) != value:
                    yield f"{case}: {key} is {labels and labels.get(key)}, not {value}"


def of_the_pod(source):
    """What the Downward API would say."""
    return {"metadata.name": "web-1", "metadata.namespace": "shop", "metadata.uid": "0b1c", "status.podIP": "10.0.0.1", "status.podIPs": "10.0.0.1,fd00::1",
            "spec.nodeName": "n1", "spec.serviceAccountName": "web"}.get(source.get("fieldRef", {}).get("fieldPath"), "1000")


def findings_of_outrider(overlay, outrider):
    """Ours: the environment of each container is a configuration that is valid, and the command is one we have."""
    for workload, template in overlay.pods():
        for container in template["spec"].get("initContainers", []) + template["spec"]["containers"]:
            if not container["image"].startswith("outrider:"):
                continue
            words = container.get("args", ["run"])
            if subprocess.run([outrider, words[0], "--help"], capture_output=True, timeout=PATIENCE).returncode:
                yield f"{called(workload)}, {container['name']}: there is no `outrider {words[0]}`"
            if words[0] not in ("run", "dht"):
                continue
            environment = {each["name"]: each.get("value") or of_the_pod(each["valueFrom"]) for each in container.get("env", [])}
            environment = {key: value for key, value in environment.items() if not value.startswith("/")}   # files that are mounted
            ours = ["--service", "seed:1"] if words[0] == "dht" else []    # `config show` is about what has a service or a listener
            result = subprocess.run([outrider, "config", "show", *ours], env=environment, capture_output=True, text=True, timeout=PATIENCE)
            if result.returncode:
                yield f"{called(workload)}, {container['name']}: {result.stderr}"


def findings_of_injection(overlay, outrider):
    """An overlay whose pods want to be injected is, and what comes out is as sound."""
    result = subprocess.run([outrider, "inject", "-f", "-"], input=overlay.text, capture_output=True, text=True, timeout=PATIENCE)
    wants = [called(each) for each, template in overlay.pods() if template["metadata"]["labels"].get("outrider.dev/inject") != "false"]
    if not wants:
        return
    if result.returncode:
        yield f"inject: {result.returncode}\n{result.stderr}"
        return
    after = Overlay.__new__(Overlay)
    after.name, after.text, after.trouble = overlay.name, result.stdout, ""
    after.objects = [each for each in yaml.safe_load_all(result.stdout) if each]
    injected = {called(each) for each, template in after.pods() if "outrider.dev/injected" in template["metadata"].get("annotations", {})}
    if injected != set(wants):
        yield f"injected are {sorted(injected)}, not {sorted(wants)}"
    init = re.compile(r"outrider-init: is not as")     # has one capability, that is what it is for
    for check in (findings_of_pods, findings_of_names):
        yield from (f"injected: {each}" for each in check(after) if not init.search(each))
    yield from (f"injected: {each}" for each in findings_of_outrider(after, outrider))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=pathlib.Path)
    parser.add_argument("--outrider", required=True, type=pathlib.Path, help="the binary")
    arguments = parser.parse_args()
    if not shutil.which("kubectl"):
        print("needs kubectl (Debian: kubernetes-client)")
        return 77
    outrider = arguments.outrider.resolve()
    names = set(re.findall(r'"(outrider_\w+)"', (arguments.root / "proxy/stats/names.h").read_text()))
    folders = sorted(each.parent for each in (arguments.root / "docker/kubernetes").rglob("kustomization.yaml"))
    folders = [each for each in folders if each.parent.name == "overlays" or each.name == "base"]
    bad = 0
    for folder in folders:
        overlay = Overlay(folder)
        findings = [overlay.trouble] if overlay.trouble else []
        if not overlay.trouble:
            for check in (findings_of_pods, findings_of_names, findings_of_prometheus):
                findings += check(overlay)
            findings += findings_of_metrics(overlay, names)
            findings += findings_of_outrider(overlay, outrider)
            findings += findings_of_injection(overlay, outrider)
        print(f"{folder.name}: {len(overlay.objects)} objects" + "".join(f"\n  {each}" for each in findings))
        bad += len(findings)
    return 1 if bad or not folders else 0


if __name__ == "__main__":
    sys.exit(main())
