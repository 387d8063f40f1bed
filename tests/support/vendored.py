"""The check of vendored files, as `python infra/vendor_static.py check` makes it."""

import importlib.util
import sys
from pathlib import Path

_PATH = Path(__file__).resolve().parents[2] / "infra/vendor_static.py"
_SPEC = importlib.util.spec_from_file_location("vendor_static", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
_MODULE = importlib.util.module_from_spec(_SPEC)
sys.modules["vendor_static"] = _MODULE  # dataclasses look their module up
_SPEC.loader.exec_module(_MODULE)

LOCKS: tuple[Path, ...] = _MODULE.LOCKS
check = _MODULE.check
