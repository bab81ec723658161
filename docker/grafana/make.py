#!/usr/bin/env python3
"""Writes the dashboards that Grafana reads, dashboards/*.json, from what is said in boards/.

  docker/grafana/make.py            writes them
  docker/grafana/make.py --check    says which differ from what would be written, and exits 1 then
"""
import json
import pathlib
import sys

sys.dont_write_bytecode = True      # the source tree stays clean
HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "boards"))
import cluster
import edge
import experiments
import fleet
import identity
import mesh
import registry
import route
import service

FILES = {"mesh-overview": mesh, "service": service, "upstream-cluster": cluster, "route": route, "edge-gateway": edge, "registry": registry,
         "proxy-fleet": fleet, "experiments": experiments, "identity": identity}


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    folder, different = HERE / "dashboards", []
    for name, module in FILES.items():
        path = folder / f"{name}.json"
        text = json.dumps(module.board().json(), indent=1, ensure_ascii=False) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            different.append(path.name)
            if not check:
                path.write_text(text, encoding="utf-8")
    different += [f"{path.name} (nothing makes it)" for path in folder.glob("*.json") if path.stem not in FILES]
    if check and different:
        sys.exit("not what boards/ says: " + ", ".join(sorted(different)) + "; run docker/grafana/make.py")
    print(f"{len(FILES)} dashboards" + (", all as boards/ says" if check else f", {len(different)} written"))


if __name__ == "__main__":
    main()
