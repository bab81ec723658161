"""JSON Patch (RFC 6902: add, remove, replace), by the RFC alone: what an API server would make of a patch."""
import copy


def parts_of(pointer):
    if pointer == "":
        return []
    assert pointer.startswith("/"), pointer
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def index_of(part, length):
    assert part == "0" or (part.isdigit() and part[0] != "0"), f"{part!r} is no index"
    assert int(part) < length, f"index {part} of {length}"
    return int(part)


def patched(document, operations):
    document = copy.deepcopy(document)
    for operation in operations:
        *way, last = parts_of(operation["path"])
        parent = document
        for part in way:
            parent = parent[index_of(part, len(parent))] if isinstance(parent, list) else parent[part]
        op = operation["op"]
        assert op in ("add", "remove", "replace"), op
        if isinstance(parent, list):
            if op == "add":
                parent.insert(len(parent) if last == "-" else index_of(last, len(parent) + 1), operation["value"])
            elif op == "remove":
                del parent[index_of(last, len(parent))]
            else:
                parent[index_of(last, len(parent))] = operation["value"]
            continue
        assert isinstance(parent, dict), f"{operation['path']}: {parent!r} has no members"
        assert op == "add" or last in parent, f"{operation['path']}: nothing to {op}"
        if op == "remove":
            del parent[last]
        else:
            parent[last] = operation["value"]
    return document
