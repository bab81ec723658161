"""JSON Patch (RFC 6902) and JSON Pointer (RFC 6901), as far as an API server applies them; written from the RFCs and from nothing
of this program's."""
import copy


class PatchError(Exception):
    pass


def tokens(pointer):
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise PatchError(f"{pointer!r} is no pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def index(items, token, beyond):
    if token == "-" and beyond:
        return len(items)
    if not token.isdigit() or (token != "0" and token.startswith("0")):
        raise PatchError(f"{token!r} is no index")
    at = int(token)
    if at >= len(items) + (1 if beyond else 0):
        raise PatchError(f"there are only {len(items)} items, and {at} was asked for")
    return at


def step(value, token):
    if isinstance(value, dict):
        if token not in value:
            raise PatchError(f"there is no {token!r}")
        return value[token]
    if isinstance(value, list):
        return value[index(value, token, False)]
    raise PatchError(f"{token!r} of something that is neither a list nor a map")


def one(document, operation):
    path = tokens(operation["path"])
    if not path:
        raise PatchError("the document as a whole")
    parent = document
    for token in path[:-1]:
        parent = step(parent, token)
    last, kind = path[-1], operation["op"]
    if kind in ("replace", "remove", "test"):
        there = step(parent, last)
    if kind == "test":
        if there != operation["value"]:
            raise PatchError(f"{operation['path']} is another")
    elif isinstance(parent, list):
        at = index(parent, last, kind == "add")
        if kind == "add":
            parent.insert(at, copy.deepcopy(operation["value"]))
        elif kind == "replace":
            parent[at] = copy.deepcopy(operation["value"])
        elif kind == "remove":
            del parent[at]
        else:
            raise PatchError(f"{kind!r} is no operation that is used here")
    elif not isinstance(parent, dict):
        raise PatchError(f"{last!r} of something that is neither a list nor a map")
    elif kind in ("add", "replace"):
        parent[last] = copy.deepcopy(operation["value"])
    elif kind == "remove":
        del parent[last]
    else:
        raise PatchError(f"{kind!r} is no operation that is used here")


def patched(document, operations):
    result = copy.deepcopy(document)
    for operation in operations:
        one(result, operation)
    return result
