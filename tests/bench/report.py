"""Runs to tables. A run is a dict: workload, proxy, round, and its figures by name."""
import statistics

import growth

PEERS = ("haproxy", "nginx")
COLUMNS = (    # title, figure, digits, also as min..max
    ("requests/s", "rate", 0, True), ("CPU us/request", "cpu_us", 1, True), ("user", "user_us", 1, False),
    ("system", "system_us", 1, False), ("calls", "calls", 2, False), ("p50 us", "p50_us", 0, False),
    ("p99 us", "p99_us", 0, True), ("MiB", "mib", 1, False), ("start MiB", "start_mib", 1, False),
    ("idle MiB", "idle_mib", 1, False), ("bytes/connection", "idle_bytes", 0, True), ("MiB when closed", "closed_mib", 1, False),
)


def figures(runs, workload, proxy, figure):
    return [run[figure] for run in runs if run["workload"] == workload and run["proxy"] == proxy and figure in run]


def median(runs, workload, proxy, figure):
    """None where it was not measured. The kernel only samples what is user and what is system: all rounds together split."""
    if figure in ("user_us", "system_us"):
        user, system = (sum(figures(runs, workload, proxy, ticks)) for ticks in ("user_ticks", "system_ticks"))
        cpu = median(runs, workload, proxy, "cpu_us")
        return cpu and cpu * (user if figure == "user_us" else system) / max(user + system, 1)
    found = figures(runs, workload, proxy, figure)
    return statistics.median(found) if found else None


def proxies_of(runs, workload):
    return list(dict.fromkeys(run["proxy"] for run in runs if run["workload"] == workload))


def ratio(runs, workload, proxy, other, figure):
    mine, theirs = (median(runs, workload, who, figure) for who in (proxy, other))
    return mine / theirs if mine is not None and theirs else None


def number(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def times(value):
    return "-" if value is None else f"{value:.2f}x"


def heading(kept):
    machine, versions = kept["machine"], kept["versions"]
    return (f"{machine['date']}, {machine['cores']} cores of {machine['cpu']}, Linux {machine['kernel']}, "
            f"load {machine['load']:.1f}; {versions['outrider']}, HAProxy {versions['haproxy']}, nginx {versions['nginx']}")


def compared(runs, workload, proxy):
    """What the last column says of it: how it stands to what it is compared with."""
    if workload == "growth":
        return times(ratio(runs, workload, proxy, growth.SMALL, "cpu_us"))
    return times(ratio(runs, workload, "outrider", proxy, "idle_bytes" if workload == "idle" else "cpu_us"))


def table(workload, title, runs):
    proxies = proxies_of(runs, workload)
    columns = [c for c in COLUMNS if any(median(runs, workload, proxy, c[1]) is not None for proxy in proxies)]
    rows = [["", *[c[0] for c in columns], "errors", "beside small" if workload == "growth" else "outrider to it"]]
    for proxy in proxies:
        row = [proxy]
        for _, figure, digits, spread in columns:
            found = figures(runs, workload, proxy, figure)
            span = f" ({min(found):.{digits}f}..{max(found):.{digits}f})" if spread and found else ""
            row.append(number(median(runs, workload, proxy, figure), digits) + span)
        rows.append([*row, str(sum(figures(runs, workload, proxy, "errors"))), compared(runs, workload, proxy)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    if workload == "growth":
        lines += [f"  {name}: {growth.VARIANTS[name][3]}" for name in proxies]
    return f"\n{workload}: {title}\n" + "\n".join(lines)


def markdown(kept, titles):
    """Two tables: the three beside each other, and growth."""
    runs = kept["runs"]
    lines = [heading(kept), "", "| | Outrider | HAProxy | nginx |", "|---|---|---|---|"]

    def row(title, workload, figure, digits, proxies=("outrider", *PEERS)):
        cells = []
        for proxy in proxies:
            found, middle = (look(runs, workload, proxy, figure) for look in (figures, median))
            span = f" ({min(found):.{digits}f}–{max(found):.{digits}f})" if len(found) > 1 else ""
            cells.append("–" if middle is None else number(middle, digits) + span)
        if any(cell != "–" for cell in cells):
            lines.append(f"| {title} | {' | '.join(cells)} |")

    for workload in (w for w in titles if w not in ("idle", "growth")):
        row(f"{titles[workload]}: CPU µs a request", workload, "cpu_us", 1)
        row("– of which user", workload, "user_us", 1)
        row("– requests a second", workload, "rate", 0)
        row("– system calls a request", workload, "calls", 2)
        row("– p50 µs", workload, "p50_us", 0)
        row("– p99 µs", workload, "p99_us", 0)
    row("memory at start, MiB", "idle", "start_mib", 1)
    row("– with its own DHT node", "idle", "start_mib", 1, ("outrider-dht",) + ("",) * len(PEERS))
    row("bytes an idle connection", "idle", "idle_bytes", 0)
    if proxies_of(runs, "growth"):
        lines += ["", "| Outrider with | CPU µs a request | user | beside the first |", "|---|---|---|---|"]
        for name in proxies_of(runs, "growth"):
            cells = [number(median(runs, "growth", name, figure), 1) for figure in ("cpu_us", "user_us")]
            lines.append(f"| {growth.VARIANTS[name][3]} | {' | '.join(cells)} | {compared(runs, 'growth', name)} |")
    return "\n".join(lines)
