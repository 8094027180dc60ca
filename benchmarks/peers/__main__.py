"""All peers, one after the other: `python -m benchmarks.peers`."""

from __future__ import annotations

import subprocess
import sys

PEERS = ("melange", "llm_ro", "aiconfigurator", "splitwise", "helix")


def main() -> int:
    """Run each comparison in a process of its own; return how many missed the peer's answer."""
    failed = 0
    for name in PEERS:
        print(f"-- {name}", flush=True)
        failed += (
            subprocess.run([sys.executable, "-m", f"benchmarks.peers.{name}"], check=False).returncode != 0
        )
    return failed


if __name__ == "__main__":
    sys.exit(main())
