#!/usr/bin/env python3
"""tests/README.md says which tests show which row of the table of features. Every test it names exists, and every row of traffic
policy and operation has one: ends with 1 and says what is missing. With --run BUILD those tests are run, row by row.
"""
import argparse
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
# Routing, resilience, balancing, overload, operation, Kubernetes, and 139: those that are a must or expected.
WANTED = [4, 5, 11, *range(28, 35), *range(36, 45), 46, 47, 49, 50, *range(52, 71), *range(72, 77), 108, 109, 110, 111, 113, 114, 116, 118,
          *range(120, 128), 129, 130, 131, 134, 136, 137, 139]
CASE = re.compile(r"^\s*TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", re.M)


def sources():
    """(file, program) of all tests."""
    for folder, _, files in os.walk(HERE):
        parts = os.path.relpath(folder, HERE).split(os.sep)
        for name in files:
            if name.endswith("_test.cc"):
                yield os.path.join(folder, name), parts[1] if parts[0] == "unit" else parts[0]
    for folder, _, files in os.walk(os.path.join(ROOT, "filters")):
        yield from ((os.path.join(folder, name), "filters") for name in files if name.endswith("_test.cc"))


def cases():
    """{"Suite.Case": program}"""
    found = {}
    for path, program in sources():
        with open(path, encoding="utf-8") as text:
            found.update({f"{suite}.{case}": program for suite, case in CASE.findall(text.read())})
    return found


def rows():
    """{row: [names]}, names being of cases (Suite.Case, Suite.*) and of scripts in tests/."""
    table = {}
    with open(os.path.join(HERE, "README.md"), encoding="utf-8") as text:
        part = text.read().partition("## Which tests show which row")[2].partition("\n## ")[0]
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and cells[0].isdigit():
            table[int(cells[0])] = re.findall(r"`([^`]+)`", cells[2])
    return table


def matching(name, known):
    return [case for case in known if case == name or (name.endswith(".*") and case.startswith(name[:-1]))]


def is_script(name):
    return "/" in name and os.path.exists(os.path.join(HERE, name))


def complaints(table, known):
    for row in WANTED:
        if not any(matching(name, known) or is_script(name) for name in table.get(row, [])):
            yield f"row {row} has no test"
    for row, names in table.items():
        for name in names:
            if not matching(name, known) and not is_script(name):
                yield f"row {row}: there is no {name}"


def run(build, names, known):
    """What became of the cases of one row."""
    passed = failed = skipped = 0
    by_program = {}
    for name in names:
        for case in matching(name, known):
            by_program.setdefault(known[case], []).append(case)
    for program, wanted in by_program.items():
        wanted = ":".join(f"{case}:{case}/*:*/{case}:*/{case}/*" for case in wanted)
        done = subprocess.run([os.path.join(build, f"outrider_{program}_test"), f"--gtest_filter={wanted}"], capture_output=True,
                              text=True, check=False)
        passed += len(re.findall(r"^\[       OK ] ", done.stdout, re.M))
        skipped += len(re.findall(r"^\[  SKIPPED ] .*\(\d+ ms\)", done.stdout, re.M))
        bad = re.findall(r"^\[  FAILED  ] (\S+).* ms\)", done.stdout, re.M)
        failed += len(bad) or (done.returncode != 0)
        for each in bad:
            print(f"  {each} failed")
    return passed, failed, skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", metavar="BUILD", help="the folder with the test programs")
    args = parser.parse_args()
    table, known = rows(), cases()
    wrong = list(complaints(table, known))
    for each in wrong:
        print(f"tests/README.md: {each}")
    if args.run:
        for row, names in sorted(table.items()):
            passed, failed, skipped = run(args.run, names, known)
            print(f"{row:4} {passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
            wrong += [row] * failed
    print(f"rows: {len(table)} with {sum(len(names) for names in table.values())} names, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
