"""Whether a pod's spec has the keys that Kubernetes knows, and what it would refuse at once."""
import re

PROBE = {"exec", "httpGet", "tcpSocket", "grpc", "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold",
         "failureThreshold", "terminationGracePeriodSeconds"}
HOOK = {"exec", "httpGet", "tcpSocket", "sleep"}
CONTAINER = {"name", "image", "command", "args", "workingDir", "ports", "envFrom", "env", "resources", "resizePolicy", "restartPolicy",
             "volumeMounts", "volumeDevices", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "terminationMessagePath",
             "terminationMessagePolicy", "imagePullPolicy", "securityContext", "stdin", "stdinOnce", "tty"}
SPEC = {"volumes", "initContainers", "containers", "ephemeralContainers", "restartPolicy", "terminationGracePeriodSeconds",
        "activeDeadlineSeconds", "dnsPolicy", "nodeSelector", "serviceAccountName", "serviceAccount", "automountServiceAccountToken",
        "nodeName", "hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "securityContext", "imagePullSecrets", "hostname",
        "subdomain", "affinity", "schedulerName", "tolerations", "hostAliases", "priorityClassName", "priority", "dnsConfig",
        "readinessGates", "runtimeClassName", "enableServiceLinks", "preemptionPolicy", "overhead", "topologySpreadConstraints",
        "setHostnameAsFQDN", "os", "hostUsers", "schedulingGates", "resourceClaims"}
SECURITY = {"runAsUser", "runAsGroup", "runAsNonRoot", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities",
            "seccompProfile", "privileged", "procMount", "seLinuxOptions", "appArmorProfile", "windowsOptions"}
VOLUME = {"name", "secret", "configMap", "emptyDir", "hostPath", "csi", "persistentVolumeClaim", "projected", "downwardAPI"}
FIELDS = {"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
          "status.hostIPs", "status.podIP", "status.podIPs"}
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?$")


class Wrong(Exception):
    pass


def must(held, what):
    if not held:
        raise Wrong(what)


def keys(value, known, at):
    must(isinstance(value, dict), f"{at}: {value!r} is no map")
    must(set(value) <= known, f"{at}: unknown {sorted(set(value) - known)}")


def check_handler(value, known, at):
    keys(value, known, at)
    must(len({"exec", "httpGet", "tcpSocket", "grpc", "sleep"} & set(value)) == 1, f"{at}: not one handler: {sorted(value)}")
    if "httpGet" in value:
        keys(value["httpGet"], {"path", "port", "host", "scheme", "httpHeaders"}, at + ".httpGet")
        must("port" in value["httpGet"], f"{at}: no port")


def check_container(container, at, init):
    keys(container, CONTAINER, at)
    must(NAME.match(container["name"]) and len(container["name"]) <= 63 or not container["name"].isascii(), f"{at}: its name")
    must(isinstance(container.get("image"), str), f"{at}: no image")
    must("restartPolicy" not in container or (init and container["restartPolicy"] == "Always"), f"{at}: restartPolicy")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe) is not None:
            must(not init or container.get("restartPolicy") == "Always", f"{at}: a probe of an init container")
            check_handler(container[probe], PROBE, f"{at}.{probe}")
    for hook, value in (container.get("lifecycle") or {}).items():
        must(hook in ("preStop", "postStart"), f"{at}: {hook}")
        check_handler(value, HOOK, f"{at}.{hook}")
    for env in container.get("env") or []:
        keys(env, {"name", "value", "valueFrom"}, at + ".env")
        must("value" not in env or isinstance(env["value"], str), f"{at}: {env['name']} is no text: {env.get('value')!r}")
        if "valueFrom" in env:
            must(env["valueFrom"]["fieldRef"]["fieldPath"] in FIELDS, f"{at}: {env}")
    for port in container.get("ports") or []:
        keys(port, {"name", "containerPort", "hostPort", "hostIP", "protocol"}, at + ".ports")
        must(isinstance(port["containerPort"], int), f"{at}: {port}")
        must(len(port.get("name", "")) <= 15, f"{at}: {port['name'] if 'name' in port else ''} is too long")
    if container.get("securityContext"):
        keys(container["securityContext"], SECURITY, at + ".securityContext")
    for word in (container.get("args") or []) + (container.get("command") or []):
        must(isinstance(word, str), f"{at}: the argument {word!r} is no text")


def check_spec(spec):
    keys(spec, SPEC, "spec")
    names, mounted = [], set()
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or []:
            check_container(container, container.get("name", kind), kind == "initContainers")
            names.append(container["name"])
            if container["name"].startswith("outrider-"):
                mounted |= {mount["name"] for mount in container.get("volumeMounts", [])}
    must(len(names) == len(set(names)), f"two containers of one name: {names}")
    volumes = [volume["name"] for volume in spec.get("volumes") or []]
    must(len(volumes) == len(set(volumes)), f"two volumes of one name: {volumes}")
    must(mounted <= set(volumes), f"no such volumes: {mounted - set(volumes)}")
    for volume in spec.get("volumes") or []:
        keys(volume, VOLUME, "volumes")
        must(len(volume) == 2, f"a volume without one source: {volume}")


def pod_of(document):
    kind = document.get("kind")
    if kind == "Pod":
        return document
    if kind == "PodTemplate":
        return document["template"]
    if kind == "CronJob":
        return document["spec"]["jobTemplate"]["spec"]["template"]
    return (document.get("spec") or {}).get("template")


def check_object(document):
    pod = pod_of(document)
    if not pod or "spec" not in pod:
        return
    check_spec(pod["spec"])
    for section in ("annotations", "labels"):
        for key, value in ((pod.get("metadata") or {}).get(section) or {}).items():
            must(isinstance(value, str), f"{section}: {key} is {value!r}")
