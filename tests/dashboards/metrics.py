"""Which metrics there are: as proxy/stats/names.h promises them, and as scrapes show them."""
import pathlib
import re
import urllib.request


class Finding(Exception):
    pass


class Metric:
    """kind: counter, gauge, histogram. labels: name to the closed set of values, or None where any value may be."""
    def __init__(self, kind, labels):
        self.kind, self.labels = kind, labels


# --- names.h -----------------------------------------------------------------------------------------------------------

def values_of(text):
    """The closed set that a phrase of names.h lists, or None when it describes an open one."""
    values = set()
    for word in text.split(","):
        word = re.sub(r"^or ", "", word.strip()).strip('"')
        numbers = re.fullmatch(r"(\d+) to (\d+)", word)
        if numbers:
            values |= {str(n) for n in range(int(numbers[1]), int(numbers[2]) + 1)}
        elif re.fullmatch(r"[a-z0-9_]*", word):
            values.add(word)
        else:
            return None
    return values


def sets_of(comment):
    """Label to closed set (or None), from the comment over a group: `state: ready, draining. retry reason: a, b; ...`."""
    sets = {}
    for phrase in re.split(r"[.;](?:\s|$)", re.sub(r"\s*\([^)]*\)", "", comment)):
        head, colon, listed = phrase.partition(":")
        if not colon:
            continue
        for label in head.split(", "):
            words = label.split()
            if words and re.fullmatch(r"[a-z_]+", words[-1]):
                values = values_of(listed)
                known = sets.get(words[-1], set())
                sets[words[-1]] = None if values is None or known is None else known | values
    return sets


def read_names(path):
    metrics, sets, comment = {}, {}, []
    text = pathlib.Path(path).read_text()
    lines = iter(text.split("\n"))
    for line in lines:
        if line.startswith("//"):
            comment.append(line[2:].strip())
            continue
        if comment:
            sets.update(sets_of(" ".join(comment)))
            comment = []
        start = re.match(r"inline constexpr Name k\w+\{(?:\s*//\s*(.*))?$", line)
        if not start:
            continue
        body = body_of(lines)
        name = re.match(r'\s*"([a-z0-9_]+)"', body)
        kind = re.search(r"Kind::(\w+)", body)
        if not name or not kind:
            raise Finding(f"{path}: cannot read: {line} {body}")
        listed = (start[1] or "").partition(":")[0]
        labels = [each.strip() for each in listed.split(",") if each.strip()]
        metrics[name[1]] = Metric(kind[1].lower(), {label: sets.get(label) for label in labels})
    listed = re.search(r"kAll = \{(.*?)\};", text, re.S)
    if not metrics or not listed or listed[1].count("&") != len(metrics):
        raise Finding(f"{path}: {len(metrics)} metrics were read, but kAll has "
                      f"{listed[1].count('&') if listed else 'no list'}")
    return metrics


def body_of(lines):
    body = ""
    for line in lines:
        body += line + " "
        if line.rstrip().endswith("};"):
            break
    return body


# --- a scrape ----------------------------------------------------------------------------------------------------------

def read_scrape(source, metrics):
    if re.match(r"https?://", source):
        with urllib.request.urlopen(source, timeout=10) as answer:
            text = answer.read().decode()
    else:
        text = pathlib.Path(source).read_text()
    for line in text.splitlines():
        kind = re.match(r"# TYPE (\S+) (\S+)", line)
        if kind:
            metrics.setdefault(kind[1], Metric(kind[2], {}))
            continue
        series = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+", line)
        if not series:
            continue
        name = series[1]
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if name not in metrics and base in metrics and metrics[base].kind == "histogram":
            name = base
        metric = metrics.setdefault(name, Metric("untyped", {}))
        for label, value in re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', series[2] or ""):
            if label != "le":
                metric.labels.setdefault(label, set()).add(value)


def not_promised(scraped, promised):
    for name, metric in scraped.items():
        if name not in promised:
            yield f"the scrape has {name}, names.h has not"
            continue
        for label, values in metric.labels.items():
            if label not in promised[name].labels:
                yield f"the scrape has {name}{{{label}}}, names.h has no such label"
                continue
            known = promised[name].labels[label]
            for value in sorted(values - known - {"__other__"}) if known is not None else ():
                yield f'the scrape has {name}{{{label}="{value}"}}, names.h has no such value'
