#!/usr/bin/env python3
"""Completion as shells do it: bash (complete -F, COMP_WORDS), zsh and fish where they are installed, with a proxy that runs."""

import argparse
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE = 30
failures = []


def check(what, found, wanted):
    if not set(wanted) <= set(found):
        failures.append(f"{what}: {sorted(found)[:30]} lacks {sorted(set(wanted) - set(found))}")


def check_none(what, found, unwanted):
    if set(unwanted) & set(found):
        failures.append(f"{what}: {sorted(set(unwanted) & set(found))} should not be offered")


# What readline does with a line: words are broken at these, which then are words of their own.
BASH = r"""
source <("$OUTRIDER" completion bash) || exit 3
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=() COMP_CWORD=0
breaks=$' \t\n"\'><=;|&(:'
word= ; started=
for ((i = 0; i < ${#1}; i++)); do
  c=${1:i:1}
  if [[ $c == [[:space:]] ]]; then [[ $started ]] && COMP_WORDS+=("$word"); word= started=
  elif [[ $c == [=:] ]]; then [[ $started ]] && COMP_WORDS+=("$word"); COMP_WORDS+=("$c"); word= started=
  else word+=$c started=1; fi
done
if [[ $started ]]; then COMP_WORDS+=("$word"); elif [[ $1 == *[[:space:]] ]]; then COMP_WORDS+=(""); fi
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
spec=$(complete -p outrider) || exit 4
[[ $spec =~ -F\ ([^ ]+) ]] || exit 5
compopt() { :; }
"${BASH_REMATCH[1]}" outrider "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


class Shell:
    def __init__(self, program, folder, admin):
        self.environment = {"PATH": f"{folder}/bin:/usr/bin:/bin", "HOME": folder, "OUTRIDER": program, "TERM": "dumb", "LC_ALL": "C.UTF-8",
                            "OUTRIDER_ADMIN__ADDRESS": admin}
        self.folder = folder

    def run(self, words, limit=PATIENCE):
        done = subprocess.run(words, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=limit)
        if done.returncode not in (0, 1):
            failures.append(f"{words[0]} ended with {done.returncode}: {done.stderr}")
        return [line for line in done.stdout.split("\n") if line]

    def bash(self, line):
        return self.run(["bash", "--norc", "-c", BASH, "bash", line])

    def fish(self, line):
        script = f"source (outrider completion fish | psub); complete -C {repr(line)}"
        return [each.split("\t")[0] for each in self.run(["fish", "--no-config", "-c", script])]


def zsh(shell, line):
    """zsh completes only at a terminal: what it shows behind Tab."""
    rc = os.path.join(shell.folder, ".zshrc")
    with open(rc, "w", encoding="utf-8") as text:
        text.write("PS1='> '\nautoload -Uz compinit; compinit -u\nsource <(outrider completion zsh)\n"
                   "LISTMAX=0\nzstyle ':completion:*' list-prompt ''\nunsetopt menu_complete auto_menu\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(shell.folder)
        os.execve("/usr/bin/zsh", ["zsh", "-i"], {**shell.environment, "TERM": "dumb", "COLUMNS": "300", "LINES": "200"})
    seen = ""

    def until(mark, send=None):
        nonlocal seen
        if send:
            os.write(terminal, send.encode())
        end = time.monotonic() + PATIENCE
        while not re.search(mark, seen):
            if time.monotonic() > end:
                return False
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    seen += os.read(terminal, 65536).decode(errors="replace")
                except OSError:
                    return False
        return True
    until("> ")
    seen = ""
    until("ready-mark\r\n", "echo ready-ma''rk\n")
    seen = ""
    os.write(terminal, (line + "\t").encode())
    time_over = time.monotonic() + 10
    quiet = 0
    while quiet < 15 and time.monotonic() < time_over:   # what it shows has an end only when nothing more comes
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                seen += os.read(terminal, 65536).decode(errors="replace")
                quiet = 0
            except OSError:
                break
        else:
            quiet += 1
    os.write(terminal, b"\x03exit\n")
    os.close(terminal)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass
    return re.findall(r"[^\s]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", " ", seen.replace("\x07", "")))


def start_proxy(program, folder):
    config = os.path.join(folder, "edge.yaml")
    with open(config, "w", encoding="utf-8") as text:
        text.write('version: 1\nlisteners: {edge: {address: "127.0.0.1:0"}}\nroutes: {edge: [{match: {prefix: /cart}, cluster: shop/cart}, {cluster: web-front}]}\n'
                   'clusters: {web-front: {endpoints: ["127.0.0.1:9"]}, shop/cart: {endpoints: ["127.0.0.1:9"]}}\n'
                   f'telemetry: {{metrics: off}}\nadmin: {{address: "unix:{folder}/admin.sock", health: off}}\nlifecycle: {{sandbox: off, drain: {{delay: 0}}}}\n')
    proxy = subprocess.Popen([program, "run", "-c", config], stderr=subprocess.PIPE, text=True)
    for line in proxy.stderr:
        if "listener=admin" in line:
            return proxy
    raise RuntimeError("the proxy did not start")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--outrider", required=True)
    program = os.path.abspath(arguments.parse_args().outrider)
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/bin")
        os.symlink(program, f"{folder}/bin/outrider")
        os.mkdir(f"{folder}/sub")
        proxy = start_proxy(program, folder)
        try:
            run_all(program, folder)
        finally:
            proxy.terminate()
            proxy.wait()
    for each in failures:
        print("FAILED", each)
    return 1 if failures else 0


def run_all(program, folder):
    shell = Shell(program, folder, f"unix:{folder}/admin.sock")
    verbs = ["run", "check", "config", "endpoints", "identity", "completion", "help", "version"]
    names = ["web-front", "shop/cart"]
    shells = [("bash", shell.bash)] if shutil.which("bash") else []
    if shutil.which("fish"):
        shells.append(("fish", shell.fish))
    for name, ask in shells:
        check(f"{name}: verbs", ask("outrider "), verbs)
        check(f"{name}: a verb begun", ask("outrider ch"), ["check"])
        check_none(f"{name}: a verb begun", ask("outrider ch"), ["config"])
        check(f"{name}: a group", ask("outrider config "), ["diff", "schema", "show", "validate"])
        check(f"{name}: flags", ask("outrider config show --"), ["--origin", "--defaults", "--set", "--help"])
        check(f"{name}: a flag begun", ask("outrider config show --or"), ["--origin"])
        check(f"{name}: names", ask("outrider endpoints "), names)
        check(f"{name}: a name begun", ask("outrider endpoints shop"), ["shop/cart"])
        check_none(f"{name}: a name begun", ask("outrider endpoints shop"), ["web-front"])
        check(f"{name}: files", ask("outrider config validate ed"), ["edge.yaml"])
        check(f"{name}: a flag's file", ask("outrider run -c ed"), ["edge.yaml"])
        check(f"{name}: shells", ask("outrider completion "), ["bash", "zsh", "fish"])
        check(f"{name}: help", ask("outrider help config "), ["diff"])
        check(f"{name}: running", ask("outrider config diff run"), ["running"])
        check(f"{name}: folders", [each.rstrip("/") for each in ask("outrider identity show su")], ["sub"])
        check_none(f"{name}: no more words", ask("outrider endpoints web-front "), names)
        check(f"{name}: commands", ask("outrider run -- bas"), ["bash"])
    if shutil.which("bash"):
        check("bash: a file behind =", shell.bash("outrider run --config=ed"), ["edge.yaml"])
        check("bash: names at another admin", shell.bash(f"outrider endpoints --admin unix:{folder}/admin.sock we"), ["web-front"])
        # Where nobody answers it does not last: whoever listens there never says anything.
        mute = socket.create_server(("127.0.0.1", 0))
        silent = Shell(program, folder, f"127.0.0.1:{mute.getsockname()[1]}")
        began = time.monotonic()
        check_none("bash: nobody to ask", silent.bash("outrider endpoints "), names)
        print(f"nobody to ask: {time.monotonic() - began:.1f} s")
    if os.path.exists("/usr/bin/zsh"):
        check("zsh: verbs", zsh(shell, "outrider "), verbs)
        check("zsh: a group", zsh(shell, "outrider config "), ["diff", "schema", "show", "validate"])
        check("zsh: names", zsh(shell, "outrider endpoints "), names)
        check("zsh: flags", zsh(shell, "outrider config show --"), ["--origin", "--defaults"])
        check("zsh: a file", zsh(shell, "outrider config validate ed"), ["edge.yaml"])
    print("shells:", ", ".join([name for name, _ in shells] + (["zsh"] if os.path.exists("/usr/bin/zsh") else [])))


sys.exit(main())
