"""Where the files that travel with the package lie: `models/` and `topologies/`.

In a checkout they stand beside the package, in an installed wheel inside it; both hold the same files.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(name: str) -> Path:
    """Return the folder `name` ("models" or "topologies").

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    candidates = (_PACKAGE / "_shipped" / name, _PACKAGE.parent / name)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"the folder {name}/ of the planner is missing; reinstall the package (looked in "
        + ", ".join(str(c) for c in candidates)
        + ")"
    )
