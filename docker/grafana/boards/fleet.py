from asks import *
from kit import *

W = POD
OURS = f" and on (job, instance) outrider_build_info{{{W}}}"      # process_* is shown by others, too
EACH = "{{job}} {{pod}}"


def process(metric, labels, how="sum", counter=False):
    return f"{over(how, labels)}({f'rate({metric}{{{W}}}{R})' if counter else f'{metric}{{{W}}}'}{OURS})"


def board():
    it = Board("fleet", "Proxy fleet", "The proxies themselves: which versions and configurations they run, what they cost, and whether they cope.",
               [NAMESPACE, service(), PODS], [CHANGED])
    seen = been_proxies(W)
    it.line(4,
            stat("Proxies up", f"sum(up{{{W}}}{seen})", "none", "Proxies whose last scrape worked.", "Red: /targets of Prometheus.", SOME, 0),
            stat("Proxies down", or_zero(f"count((up{{{W}}} == 0){seen})"), "none", "Proxies that were scraped in the last hour and do not answer now.",
                 "Red: `outrider health` beside them.", NONE, 0),
            stat("Versions", f"count(count by (version, revision) (outrider_build_info{{{W}}}))", "none", "Different builds that run.",
                 "More than one outside a roll-out: who was left behind? The table has it.", steps("green", (2, "orange")), 0),
            stat("Configurations, most", f"max(count by (job) (count by (job, hash) (outrider_config_info{{{W}}})))", "none",
                 "Of one service, how many different configurations its proxies serve.", "More than one for long: a roll-out that stopped half-way.", steps("green", (2, "orange")), 0),
            stat("Overload, worst", gauge("outrider_overload_level", W, "", "max"), "none", "1: low priority is refused; 2: and no connection kept; 3: and nothing let in.",
                 "Red: /ready there says by what.", OVERLOAD, 0),
            stat("Overhead p99", quantile(0.99, "outrider_proxy_overhead_seconds", W), "s", "Time a request spends in the proxy itself, both ways together.",
                 "Red: too little CPU, or a filter that is slow; loop lag below.", steps("green", (0.005, "orange"), (0.02, "red")), 1, mappings=when_nan("no traffic")),
            stat("Loop lag p99", quantile(0.99, "outrider_event_loop_lag_seconds", W), "s", "How long a turn of an event loop took. Requests wait as long as a worker's.",
                 "Red: too little CPU.", steps("green", (0.02, "orange"), (0.1, "red")), 1),
            stat("Series dropped", or_zero(rate("outrider_metrics_dropped_series_total", W)), "ops", "Series that did not fit under telemetry.metrics.max_series.",
                 "More than nothing: fewer routes and clusters, or a larger max_series.", FEW, 2))

    it.row("What runs")
    it.line(8,
            (table("Versions", {"version": "Version", "revision": "Revision"}, [Column("Proxies", gauge("outrider_build_info", W, "version revision", "count"), "none", 0)],
                   "How many proxies run which build.", "Two at rest: a roll-out that was forgotten."), 6),
            (table("Configurations", {"job": "Service", "hash": "Hash", "version": "Format"}, [Column("Proxies", gauge("outrider_config_info", W, "job version hash", "count"), "none", 0)],
                   "How many proxies of each service serve which configuration.", "Proxies of one service should agree; `outrider config show` beside each says what it serves."), 8),
            (series("Proxies by version", [(gauge("outrider_build_info", W, "version revision", "count"), "{{version}} {{revision}}")], "none", "A roll-out as it goes.", "One that stops half-way: the next replica does not become ready; `outrider health` beside it.", stacked=True, steps_drawn=True), 5),
            (series("Configurations by service", [(f"count by (job) (count by (job, hash) (outrider_config_info{{{W}}}))", "{{job}}")], "none",
                    "Different configurations of each service's proxies.", "Two for long: some did not take the change.", steps_drawn=True, line=(2, "orange")), 5))

    it.line(6,
            series("Reloads", only((rate("outrider_config_reloads_total", W, "job result"), "{{job}} {{result}}")), "ops",
                   "Times the configuration was read again, by what came of it.", "failure: what there was is still served; `outrider config validate FILE` says what is wrong, with its line."),
            series("Last reload refused", [(f"{gauge('outrider_config_last_reload_success', W, 'job', 'count')} - {gauge('outrider_config_last_reload_success', W, 'job')}", "{{job}}")], "none",
                   "Proxies whose configuration on disk is not the one they serve, because it could not be used.", "They come back with it at a restart, or do not: mend the file.",
                   steps_drawn=True, line=(1, "red")),
            series("Rolled back", only((f"sum by (job) (increase(outrider_config_rollbacks_total{{{W}}}[$__range]))", "{{job}}")), "none",
                   "Times a configuration went back to an earlier one, by the guard or by hand, in the time shown.", "`outrider config history` says which version, when and why.",
                   steps_drawn=True, line=(1, "orange")))

    it.row("What they cost")
    it.line(8,
            series("Proxy overhead", quantiles("outrider_proxy_overhead_seconds", W), "s", "Time a request spent in the proxy itself, both ways together; waiting for a first lookup counts.", "Rises with loop lag: CPU."),
            series("CPU", [(process("process_cpu_seconds_total", "job pod", counter=True), EACH)], "percentunit", "CPU seconds per second; 100 % is one core.", "At its limit: latency is next."),
            series("Resident memory", [(process("process_resident_memory_bytes", "job pod"), EACH)], "bytes", "Memory of each proxy that is in RAM.", "A steady rise with steady traffic: Memory by use says whose."),
            series("Memory by use", [(gauge("outrider_memory_bytes", W, "subsystem"), "{{subsystem}}")], "bytes", "Memory held, by what it is for, of all chosen proxies.", "buffers: slow clients; stats: series.", stacked=True))
    it.line(8,
            series("CPU for each request", [(f"{process('process_cpu_seconds_total', 'job', counter=True)} / ({requests(W, 'job')} > 0)", "{{job}}")], "s",
                   "Of all the proxy does, registry included; at little traffic that is most of it.", "A jump with a new version or configuration: what did it add?"),
            series("Requests by proxy", [(requests(W, "job pod"), EACH)], "reqps", "Requests that ended, per second.", "One without: nobody sends to it, or it is draining."),
            series("Open connections", [(gauge("outrider_connections_active", W, "job pod"), EACH)], "none", "Connections from clients that are open.", "Near overload.connections: level 1 is next."),
            series("File descriptors", [(f"process_open_fds{{{W}}} / process_max_fds{{{W}}}{OURS}", EACH)], "percentunit", "Open file descriptors as a share of the limit.",
                   "At 100 % connections are refused: ulimit -n.", line=(0.9, "red")))

    it.row("Whether they cope")
    it.line(8,
            series("Event loop lag p99", [(quantile(0.99, "outrider_event_loop_lag_seconds", W, "loop"), "{{loop}}")], "s", "How long a turn of an event loop took, by loop.",
                   "worker: requests wait; registry: it falls out of the DHT.", line=(0.1, "red")),
            series("Overload level", [(gauge("outrider_overload_level", W, "job pod", "max"), EACH)], "none", "1: low priority is refused; 2: and no connection kept; 3: and nothing let in.",
                   "/ready there says by what.", steps_drawn=True, line=(1, "orange")),
            series("Refused by overload", only((rate("outrider_service_shed_total", join(W, 'reason=~"overload_.*"'), "reason"), "{{reason}}")), "reqps",
                   "Requests refused because the proxy is near a limit of its own.", "By which: memory, connections or loop_lag of the section overload."),
            series("Starts", [(f"{over('sum', 'job')}(changes(process_start_time_seconds{{{W}}}[$__range]){OURS})", "{{job}}")], "none",
                   "Proxies that have started anew, in the time shown.", "Without a roll-out: they crash; the log's last lines say why.", steps_drawn=True))

    it.row("What they tell")
    it.line(8,
            series("Series", [(gauge("outrider_metrics_series", W, "job pod"), EACH)], "none", "Series each proxy keeps for its metrics.", "Near telemetry.metrics.max_series: the rest counts as __other__."),
            series("Observations dropped", [(rate("outrider_metrics_dropped_series_total", W), "series"), (rate("outrider_access_log_dropped_total", W), "access log lines")], "ops",
                   "Series that did not fit, and access log lines the writer was too slow for.", "Log lines: a faster disk, or telemetry.access_log.sample."),
            series("Taps", [(gauge("outrider_tap_watchers", W, "pod"), "{{pod}} watchers"), (rate("outrider_tap_exchanges_total", W, "result"), "{{result}}")], "short",
                   "Who watches exchanges (`outrider tap`), and what they are shown per second.", "dropped: a watcher reads too slowly; a forgotten one costs."),
            series("Spans", only((rate("outrider_traces_exported_total", W, "result"), "{{result}}"), (rate("outrider_traces_dropped_total", W, "reason"), "dropped: {{reason}}")), "ops",
                   "Spans sent to the collector, by how that ended, and those that no collector has.", "busy, connection: the collector; queue_full: telemetry.tracing.sample is more than it takes."),
            series("System calls refused", [(f"{over('sum', 'job')}(increase(outrider_refused_system_calls_total{{{W}}}[$__range]))", "{{job}}")], "none",
                   "By the sandbox, in the time shown.", "More than nothing: a library does something new, or somebody is inside; the log has the name of the call.", line=(1, "red")))

    it.row("Each proxy")
    it.line(10, table(
        "Proxies", {"job": "Service", "namespace": "Namespace", "pod": "Pod", "version": "Version", "hash": "Configuration"},
        [Column("Requests", requests(W, "namespace job pod"), "reqps", 1),
         Column("Overhead p99", quantile(0.99, "outrider_proxy_overhead_seconds", W, "namespace job pod"), "s", 1, mappings=when_nan("–")),
         Column("CPU", process("process_cpu_seconds_total", "namespace job pod", counter=True), "percentunit", 1),
         Column("Memory", process("process_resident_memory_bytes", "namespace job pod"), "bytes", 1),
         Column("Series", gauge("outrider_metrics_series", W, "namespace job pod"), "none", 0),
         Column("Overload", gauge("outrider_overload_level", W, "namespace job pod", "max"), "none", 0, OVERLOAD),
         Column("Up for", f"max by (namespace, job, pod) (time() - process_start_time_seconds{{{W}}}{OURS})", "s", 0),
         Column("Build", gauge("outrider_build_info", W, "namespace job pod version", "max"), "none", 0),
         Column("Served", f"max by (namespace, job, pod, hash) (outrider_config_info{{{W}}})", "none", 0)],
        "Every proxy: what it runs, does and costs.", "One that differs from its siblings: `outrider stat` beside it.",
        links={"Service": [("Service", to("service", namespace=".Namespace", service=".Service"))]}))
    return it
