"""What dashboards are made of: panels, variables, links, and where each lies. Everything of Grafana's JSON is here;
the boards beside it say what is asked and why."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
NOTHING = "nothing so far"                 # instead of Grafana's "No data": of rare events, this is good news
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


# --- thresholds: from which value on which colour ---------------------------------------------------------------------

def steps(first, *more):
    return {"mode": "absolute", "steps": [{"color": first, "value": None}, *({"color": c, "value": v} for v, c in more)]}


PLAIN, GOOD = steps("blue"), steps("green")
SUCCESS = steps("red", (0.99, "orange"), (0.999, "green"))
ALL = steps("red", (0.9, "orange"), (1, "green"))                   # a share that should be the whole
NONE = steps("green", (1, "red"))                                   # a count that should be nothing
FEW = steps("green", (0.001, "orange"))                             # a rate that should be nothing
SOME = steps("red", (1, "green"))                                   # a count that should be something
LATENCY = steps("green", (0.25, "orange"), (1, "red"))
LIFE = steps("red", (3600, "orange"), (86400, "green"))             # what is left of a certificate
DAYS = steps("red", (7 * 86400, "orange"), (30 * 86400, "green"))
STALE = steps("green", (60, "orange"), (300, "red"))
OVERLOAD = steps("green", (1, "orange"), (2, "red"))

CLASSES = {"1xx": "text", "2xx": "green", "3xx": "blue", "4xx": "orange", "5xx": "red", "no status": "purple"}


def words(**texts):
    """0 and 1 as words: words(no="green", yes="red")."""
    return [{"type": "value", "options": {str(n): {"text": text, "color": color, "index": n}
                                          for n, (text, color) in enumerate(texts.items())}}]


def when_nan(text):
    return [{"type": "special", "options": {"match": "null+nan", "result": {"text": text, "index": 0}}}]


# --- links ------------------------------------------------------------------------------------------------------------

def to(board, **variables):
    """The address of another dashboard, with its variables: `.Column` of this row, `=` what is chosen here, or a text."""
    parts = ["var-datasource=${datasource}"]
    for name, value in variables.items():
        if value == "=":
            parts.append("${%s:queryparam}" % name)
        elif value.startswith("."):
            parts.append('var-%s=${__data.fields["%s"]}' % (name, value[1:]))
        else:
            parts.append("var-%s=%s" % (name, value))
    return f"/d/outrider-{board}?" + "&".join(parts + ["${__url_time_range}"])


# --- panels -----------------------------------------------------------------------------------------------------------

def target(letter, expr, legend, **more):
    return {"datasource": SOURCE, "editorMode": "code", "expr": expr, "legendFormat": legend, "refId": letter,
            "instant": False, "range": True, **more}


def targets(queries, **more):
    return [target(letter, expr, legend, **more) for letter, (expr, legend) in zip(LETTERS, queries)]


def fixed(colors):
    return [{"matcher": {"id": "byName", "options": name},
             "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}]} for name, color in colors.items()]


def panel(kind, title, what, then, unit, options, queries, defaults=None, overrides=(), **more):
    """`what` is shown, and `then` is what to do about it: together the text behind the panel's (i)."""
    if not what or not then:
        raise ValueError(f"{title}: say what is shown, and what to do about it")
    return {"type": kind, "title": title, "description": f"{what} {then}", "datasource": SOURCE,
            "fieldConfig": {"defaults": {**({"unit": unit} if unit else {}), **(defaults or {})}, "overrides": list(overrides)},
            "options": options, "targets": queries, **more}


def stat(title, expr, unit, what, then, thresholds=PLAIN, decimals=None, graph=True, legend="value", mappings=(), names=False):
    """One figure, or with `names` one for each of [(expr, name)]."""
    queries = expr if isinstance(expr, list) else [(expr, legend)]
    defaults = {"color": {"mode": "thresholds"}, "thresholds": thresholds, "mappings": list(mappings), "noValue": "–"}
    if decimals is not None:
        defaults["decimals"] = decimals
    return panel("stat", title, what, then, unit,
                 {"colorMode": "value", "graphMode": "area" if graph and not names else "none", "justifyMode": "auto",
                  "orientation": "vertical" if names else "auto", "textMode": "value_and_name" if names else "value", "wideLayout": True,
                  "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}},
                 targets(queries), defaults)


def series(title, queries, unit, what, then, stacked=False, least=("lastNotNull", "max"), colors=None, line=None, top=None,
           exemplars=False, shares=False, steps_drawn=False, links=()):
    """Lines over time. `line`: (value, colour) drawn across; `links`: (title, address) behind each point."""
    thresholds = steps("transparent", line) if line else GOOD
    defaults = {
        "color": {"mode": "palette-classic"}, "min": 0, "noValue": NOTHING, "mappings": [], "thresholds": thresholds,
        "custom": {"drawStyle": "line", "lineInterpolation": "stepAfter" if steps_drawn else "linear", "lineWidth": 1,
                   "fillOpacity": 40 if stacked or shares else 8, "showPoints": "never", "spanNulls": False, "axisPlacement": "auto",
                   "stacking": {"mode": "percent" if shares else "normal" if stacked else "none", "group": "A"},
                   "thresholdsStyle": {"mode": "dashed" if line else "off"}}}
    if top is not None:
        defaults["max"] = top
    if links:
        defaults["links"] = [{"title": name, "url": url, "targetBlank": False} for name, url in links]
    return panel("timeseries", title, what, then, unit,
                 {"legend": {"calcs": list(least), "displayMode": "table", "placement": "bottom", "showLegend": True},
                  "tooltip": {"mode": "multi", "sort": "desc"}},
                 targets(queries, **({"exemplar": True} if exemplars else {})), defaults, fixed(colors or {}))


def heatmap(title, expr, what, then):
    return panel("heatmap", title, what, then, None,
                 {"calculate": False, "cellGap": 1, "cellValues": {"unit": "short"}, "filterValues": {"le": 1e-9},
                  "color": {"exponent": 0.5, "fill": "dark-orange", "mode": "scheme", "reverse": False, "scale": "exponential",
                            "scheme": "Oranges", "steps": 64},
                  "exemplars": {"color": "rgba(255,0,255,0.7)"}, "legend": {"show": True}, "rowsFrame": {"layout": "auto"},
                  "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
                  "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "s"}},
                 targets([(expr, "{{le}}")], format="heatmap"), {"noValue": NOTHING})


class Column:
    """Of a table: its name, what is asked for it, and how it looks."""

    def __init__(self, name, expr, unit="short", decimals=None, thresholds=None, mappings=None):
        self.name, self.expr = name, expr
        self.looks = [{"id": "unit", "value": unit}]
        if decimals is not None:
            self.looks.append({"id": "decimals", "value": decimals})
        if mappings:
            self.looks.append({"id": "mappings", "value": mappings})
        if thresholds:
            self.looks.append({"id": "thresholds", "value": thresholds})
        if mappings or thresholds:
            self.looks.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})


def table(title, keys, columns, what, then, sort=None, up=False, links=()):
    """A row for each set of labels. `keys`: label to the name of its column (None: left out); `links`: column to
    [(title, address)]; `sort`: the column that orders it, `up` from the least."""
    overrides = [{"matcher": {"id": "byName", "options": column.name}, "properties": column.looks} for column in columns]
    overrides += [{"matcher": {"id": "byName", "options": name}, "properties": [{"id": "links", "value": [
        {"title": text, "url": url} for text, url in each]}]} for name, each in dict(links).items()]
    values = {"Value" if len(columns) == 1 else f"Value #{letter}": column.name for letter, column in zip(LETTERS, columns)}
    shown = {label: name for label, name in keys.items() if name}
    order = {name: place for place, name in enumerate([*shown, *values])}
    return panel("table", title, what, then, "short",
                 {"cellHeight": "sm", "showHeader": True, "sortBy": [{"displayName": sort or columns[0].name, "desc": not up}],
                  "footer": {"show": False, "reducer": []}},
                 targets([(column.expr, "__auto") for column in columns], format="table", instant=True, range=False),
                 {"color": {"mode": "thresholds"}, "thresholds": steps("text"), "noValue": NOTHING,
                  "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False}}, overrides,
                 transformations=[{"id": "merge", "options": {}},
                                  {"id": "organize", "options": {"excludeByName": {"Time": True, **{k: True for k, v in keys.items() if not v}},
                                                                 "indexByName": order, "renameByName": {**shown, **values}}}])


def node_graph(title, nodes, edges, what, then):
    """Who calls whom. Grafana wants two frames: of nodes with id, title and mainstat, of edges with id, source, target and
    mainstat as well. Labels make the first by themselves; a renamed value would keep its old name underneath, so mainstat
    is calculated."""
    def figure(letter):
        return {"id": "calculateField", "options": {"mode": "binary", "alias": "mainstat", "timeSeries": False, "replaceFields": False,
                                                    "binary": {"left": f"Value #{letter}", "operator": "*", "right": "1"}}}
    return panel("nodeGraph", title, what, then, "reqps",
                 {"nodes": {"mainStatUnit": "req/s"}, "edges": {"mainStatUnit": "req/s"}},
                 [target("nodes", nodes, "__auto", format="table", instant=True, range=False),
                  target("edges", edges, "__auto", format="table", instant=True, range=False)],
                 {"noValue": NOTHING}, transformations=[figure("nodes"), figure("edges")])


# --- a whole dashboard ------------------------------------------------------------------------------------------------

def variable(name, label, query, of, what, many=True):
    """One that Prometheus is asked for: the values of the label `of`."""
    text = f"label_values({query}, {of})"
    one = {"name": name, "label": label, "description": what, "type": "query", "datasource": SOURCE, "definition": text,
           "query": {"query": text, "refId": "PrometheusVariableQueryEditor-VariableQuery"}, "refresh": 2, "regex": "", "sort": 1,
           "hide": 0, "multi": many, "includeAll": many, "options": [], "skipUrlSync": False}
    if many:
        one.update(allValue=".*", current={"selected": True, "text": ["All"], "value": ["$__all"]})
    return one


def choice(name, label, values, chosen, what):
    """One of a closed list, several of which may be chosen; `chosen` empty: all."""
    options = [{"text": "All", "value": "$__all", "selected": not chosen}]
    options += [{"text": value, "value": value, "selected": value in chosen} for value in values]
    return {"name": name, "label": label, "description": what, "type": "custom", "query": ",".join(values), "options": options,
            "multi": True, "includeAll": True, "allValue": ".*", "hide": 0, "skipUrlSync": False,
            "current": {"selected": True, "text": chosen or ["All"], "value": chosen or ["$__all"]}}


DATASOURCE = {"name": "datasource", "label": "Data source", "description": "The Prometheus that scrapes the proxies.",
              "type": "datasource", "query": "prometheus", "refresh": 1, "regex": "", "hide": 0, "multi": False, "includeAll": False,
              "options": [], "skipUrlSync": False}


class Board:
    """Panels lie from left to right, and below what is there when a line is full."""

    def __init__(self, name, title, what, variables, annotations=()):
        self.name, self.title, self.what = name, title, what
        self.variables, self.annotations = [DATASOURCE, *variables], annotations
        self.panels, self.x, self.y, self.height = [], 0, 0, 0

    def place(self, one, width, height):
        if self.x + width > COLUMNS:
            self.x, self.y, self.height = 0, self.y + self.height, 0
        self.panels.append({**one, "id": len(self.panels) + 1, "gridPos": {"x": self.x, "y": self.y, "w": width, "h": height}})
        self.x, self.height = self.x + width, max(self.height, height)

    def row(self, title):
        self.x = COLUMNS
        self.place({"type": "row", "title": title, "collapsed": False, "panels": []}, COLUMNS, 1)

    def line(self, height, *panels):
        """Side by side, as wide as each other; a panel may come with a width of its own: (panel, width)."""
        taken = sum(each[1] for each in panels if isinstance(each, tuple))
        bare = sum(not isinstance(each, tuple) for each in panels)
        for each in panels:
            one, width = each if isinstance(each, tuple) else (each, (COLUMNS - taken) // bare)
            self.place(one, width, height)

    def json(self):
        built_in = {"builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True, "hide": True,
                    "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard"}
        marks = [{"datasource": SOURCE, "enable": True, "hide": False, "iconColor": "purple", "name": name, "expr": expr, "step": "15s",
                  "titleFormat": name, "textFormat": text} for name, expr, text in self.annotations]
        return {
            "uid": f"outrider-{self.name}", "title": f"Outrider / {self.title}", "description": self.what, "tags": ["outrider"],
            "schemaVersion": 38, "version": 1, "id": None, "editable": True, "graphTooltip": 1, "fiscalYearStartMonth": 0,
            "liveNow": False, "refresh": "10s", "timezone": "browser", "weekStart": "",
            "time": {"from": "now-30m", "to": "now"}, "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m", "15m"]},
            "annotations": {"list": [built_in, *marks]},
            "links": [{"title": "Outrider", "type": "dashboards", "tags": ["outrider"], "asDropdown": True, "includeVars": True,
                       "keepTime": True, "icon": "external link", "targetBlank": False, "tooltip": "", "url": ""}],
            "templating": {"list": self.variables}, "panels": self.panels}
