"""Reads PromQL far enough to say of what a query asks, and what its result is labelled with."""
import re

from metrics import Finding

SCRAPE_LABELS = {"job", "instance", "namespace", "pod"}             # what Prometheus adds to every series


AGGREGATIONS = {"sum", "min", "max", "avg", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile",
                "count_values"}
COUNTING = {"rate", "irate", "increase", "resets"}
FUNCTIONS = COUNTING | {"histogram_quantile", "vector", "scalar", "time", "absent", "abs", "ceil", "floor", "round",
                        "clamp", "clamp_min", "clamp_max", "delta", "deriv", "changes", "timestamp", "sort", "sort_desc",
                        "avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time",
                        "last_over_time", "quantile_over_time", "present_over_time"}
OPERATORS = {"+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"}
TOKEN = re.compile(r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>\d[\w.]*)|(?P<word>[a-zA-Z_:][\w:]*)
                       |(?P<sign>=~|!~|==|!=|>=|<=|[-+*/%^<>=(){}\[\],:@]))""", re.X)


class Query:
    """Reads one expression. `labels` is what its result is labelled with; findings are raised. `find` is the Names."""

    def __init__(self, text, find):
        self.tokens, self.at, self.find = [], 0, find
        place, text = 0, text.rstrip()
        while place < len(text):
            token = TOKEN.match(text, place)
            if not token:
                raise Finding(f"cannot read: {text[place:place + 30]}")
            self.tokens.append((token.lastgroup, token[token.lastgroup]))
            place = token.end()
        self.tokens.append(("end", ""))
        self.labels = self.expression()
        if self.kind != "end":
            raise Finding(f"more than an expression: {self.text}")

    kind = property(lambda self: self.tokens[self.at][0])
    text = property(lambda self: self.tokens[self.at][1])

    def take(self, *wanted):
        token = self.text
        if wanted and token not in wanted:
            raise Finding(f"expected {' or '.join(wanted)}, found {token or 'the end'}")
        self.at += 1
        return token

    def names_in_parens(self):
        names = []
        self.take("(")
        while self.text != ")":
            names.append(self.take())
            if self.text != ")":
                self.take(",")
        self.take(")")
        return names

    def expression(self):
        left = self.operand(None)
        while self.text in OPERATORS:
            operator, on, many = self.take(), None, None
            if self.text == "bool":
                self.take()
            if self.text in ("on", "ignoring"):
                which = self.take()
                on = (which, self.names_in_parens())
                if self.text in ("group_left", "group_right"):
                    many = self.take()
                    extra = self.names_in_parens() if self.text == "(" else []
            right = self.operand(None)
            if on:
                for side, labels in (("left", left), ("right", right)):
                    missing = set(on[1]) - labels
                    if missing and on[0] == "on":
                        raise Finding(f"on ({', '.join(on[1])}): its {side} side has no {', '.join(sorted(missing))}")
            if operator == "or":
                left = left | right
            elif operator in ("and", "unless"):
                pass
            elif many:
                left = (left if many == "group_left" else right) | set(extra)
            elif on:
                left = set(on[1]) if on[0] == "on" else left - set(on[1])
            else:
                left = left or right        # a number on the left leaves the other side's labels
        return left

    def operand(self, function):
        if self.text in ("-", "+"):
            self.take()
            return self.operand(function)
        if self.kind == "number":
            self.take()
            return set()
        if self.kind == "string":
            self.take()
            return set()
        if self.text == "(":
            self.take()
            labels = self.expression()
            self.take(")")
        elif self.kind == "word" and self.text in AGGREGATIONS:
            labels = self.aggregation()
        elif self.kind == "word" and self.tokens[self.at + 1][1] == "(":
            labels = self.call()
        elif self.kind == "word":
            labels = self.selector(function)
        else:
            raise Finding(f"not an expression: {self.text or 'the end'}")
        while True:
            if self.text == "[":                    # a subquery, or the range of a selector
                self.take()
                while self.take() != "]":
                    pass
            elif self.text == "offset":
                self.take()
                self.take()
            else:
                return labels

    def aggregation(self):
        name, clause = self.take(), None
        if self.text in ("by", "without"):
            clause = (self.take(), self.names_in_parens())
        labels = self.arguments(None)
        if self.text in ("by", "without"):
            clause = (self.take(), self.names_in_parens())
        if clause is None:
            return labels if name in ("topk", "bottomk") else set()
        missing = set(clause[1]) - labels
        if missing:
            raise Finding(f"{name} {clause[0]} ({', '.join(clause[1])}): what it sums has no {', '.join(sorted(missing))}")
        if name in ("topk", "bottomk"):
            return labels
        return set(clause[1]) if clause[0] == "by" else labels - set(clause[1])

    def relabelled(self, name):
        """label_replace(of, to, text, from, pattern), label_join(of, to, between, from, ...)."""
        self.take("(")
        labels, words = self.expression(), []
        while self.text == ",":
            self.take()
            words.append(self.take()[1:-1])
        self.take(")")
        sources = words[2:3] if name == "label_replace" else words[2:]
        missing = set(sources) - labels
        if missing or not sources:
            raise Finding(f"{name} from {', '.join(sources)}: there is no {', '.join(sorted(missing)) or 'label'}")
        return labels | {words[0]}

    def call(self):
        name = self.take()
        if name in ("label_replace", "label_join"):
            return self.relabelled(name)
        if name not in FUNCTIONS:
            raise Finding(f"{name}: no function this check knows")
        labels = self.arguments(name)
        if name == "histogram_quantile":
            if "le" not in labels:
                raise Finding("histogram_quantile of something without le")
            labels = labels - {"le"}
        return set() if name in ("vector", "scalar", "time") else labels

    def arguments(self, function):
        labels = set()
        self.take("(")
        while self.text != ")":
            # What a counting function counts is a selector, and it has to know by whom it is asked.
            labels = labels | (self.operand(function) if function in COUNTING else self.expression())
            if self.text != ")":
                self.take(",")
        self.take(")")
        return labels

    def selector(self, function):
        name = self.take()
        kind, labels = self.find.metric(name)
        if kind == "gauge" and function in COUNTING:
            raise Finding(f"{function} of {name}, which is a gauge")
        if kind == "counter" and function not in COUNTING:
            raise Finding(f"{name} is a counter and not under rate or increase")
        if self.text == "{":
            self.take()
            while self.text != "}":
                label, operator, value = self.take(), self.take("=", "!=", "=~", "!~"), self.take()
                self.check_match(name, labels, label, operator, value[1:-1])
                if self.text != "}":
                    self.take(",")
            self.take("}")
        return set(labels)

    def check_match(self, name, labels, label, operator, value):
        if label not in labels:
            raise Finding(f"{name} has no label {label}")
        known = labels[label]
        if known is None or value == "":
            return
        if operator in ("=", "!="):
            if value not in known:
                raise Finding(f'{name}{{{label}{operator}"{value}"}}: {label} is never that')
            return
        for part in value.split("|"):               # each alternative must be able to match
            try:
                if not any(re.fullmatch(part, each) for each in known):
                    raise Finding(f'{name}{{{label}{operator}"{value}"}}: {label} is never {part}')
            except re.error as error:
                raise Finding(f'{name}{{{label}{operator}"{value}"}}: {error}') from None


class Names:
    """Everything a query may ask for: what proxies show, what Prometheus adds, what recording rules make."""

    def __init__(self, exist, promised, rules):
        self.exist, self.promised, self.used = exist, promised, set()
        self.recorded = {rule["record"]: rule["expr"] for rule in rules if "record" in rule}
        self.made = {}

    def metric(self, name):
        """Its kind and its labels with their closed sets (None: open)."""
        if name == "up":
            return "gauge", dict.fromkeys(SCRAPE_LABELS)
        if name in self.recorded:
            if name not in self.made:
                expression = self.recorded[name]
                self.made[name] = {}                # a rule that asks for itself has no labels
                self.made[name] = dict.fromkeys(Query(expression, self).labels)
            return "recorded", self.made[name]
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if base != name and base in self.exist and self.exist[base].kind == "histogram":
            return "counter", self.labels(base, {"le": None} if name.endswith("_bucket") else {})
        if name not in self.exist:
            raise Finding(f"{name} does not exist" + (" in the scrape" if name in (self.promised or {}) or
                                                      base in (self.promised or {}) else ""))
        if self.exist[name].kind == "histogram":
            raise Finding(f"{name} is a histogram: ask for its _bucket, _sum or _count")
        return self.exist[name].kind, self.labels(name, {})

    def labels(self, name, more):
        self.used.add(name)
        labels = dict.fromkeys(self.exist[name].labels) if self.promised is None or name not in self.promised else {}
        if self.promised and name in self.promised:
            labels = {**dict.fromkeys(self.exist[name].labels), **self.promised[name].labels}
        return {**labels, **dict.fromkeys(SCRAPE_LABELS), **more}
