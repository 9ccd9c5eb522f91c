"""The processor, the accelerator, and how the encoder would use them."""

import sys
from pathlib import Path
from typing import Final

from ..cores import usable_cores
from ..settings import Settings
from .finding import Finding, Findings, ok, problem, warning

__all__ = ["accelerator", "check_machine", "cpu_features", "precision", "quota", "threads"]

_FEATURES: Final = {
    "AVX2": ("avx2",),
    "AVX-512": ("avx512f",),
    "AVX512-BF16": ("avx512_bf16",),
    "AMX": ("amx_tile", "amx_bf16"),
}
"""Name, and the flags of Linux that must all be there."""

_ARM_FEATURES: Final = {"NEON": ("asimd",), "BF16": ("bf16",), "I8MM": ("i8mm",), "SVE": ("sve",)}

_CPUINFO: Final = Path("/proc/cpuinfo")
_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
_NVIDIA: Final = Path("/dev/nvidia0")


def check_machine(settings: Settings) -> Findings[None]:
    """Findings about this machine."""
    yield cpu_features(_CPUINFO.read_text(encoding="utf-8", errors="replace") if _CPUINFO.is_file() else "")
    limit = quota(_QUOTA.read_text(encoding="ascii")) if _QUOTA.is_file() else None
    yield threads(settings.threads, usable_cores(), limit)
    import torch  # noqa: PLC0415

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    card = torch.cuda.get_device_name(0) if available["cuda"] else ""
    yield accelerator(settings.device, available, card, idle_card=_NVIDIA.exists() and not available["cuda"])


def cpu_features(cpuinfo: str) -> Finding:
    """Which of the instructions that make encoding fast the processor has.

    Args:
        cpuinfo: Text of ``/proc/cpuinfo``; empty where there is none.
    """
    parts = (line.partition(":") for line in cpuinfo.splitlines())
    lines = {name.strip(): value.strip() for name, _, value in parts}
    if not lines.get("flags") and not lines.get("Features"):
        return ok("cpu", f"instructions unknown: {sys.platform} has no /proc/cpuinfo that names them")
    arm = "flags" not in lines
    flags = set(lines["Features" if arm else "flags"].split())
    has = {name: flags.issuperset(needed) for name, needed in (_ARM_FEATURES if arm else _FEATURES).items()}
    found = ", ".join(f"{name} {'yes' if there else 'no'}" for name, there in has.items())
    found = f"{lines.get('model name', 'processor')}: {found}"
    if not arm and not has["AVX2"]:
        fix = "Let the virtual machine pass the host's processor through, or run where there is AVX2 or a GPU."
        return warning("cpu", f"{found}; encoding will be several times slower", fix)
    return ok("cpu", found)


def quota(cpu_max: str) -> float | None:
    """Cores that a container may use, from its ``cpu.max``; None where there is no limit.

    >>> quota("150000 100000"), quota("max 100000")
    (1.5, None)
    """
    allowed, _, period = cpu_max.strip().partition(" ")
    return None if allowed == "max" or not period else int(allowed) / int(period)


def threads(wanted: int | None, cores: int, limit: float | None) -> Finding:
    """Whether the encoder has as many threads as there are cores to run them.

    Args:
        wanted: The setting; None for one thread for each core.
        cores: Cores that the process may use by its affinity.
        limit: Cores that its container may use, if it has a limit.
    """
    used = wanted or cores
    found = f"{used} of the encoder, {cores} cores usable"
    room = cores
    if limit is not None and limit < cores:
        room = max(1, int(limit))
        found += f", {limit:g} allowed to the container"
    if used > room:
        return warning(
            "threads",
            f"{found}: more threads than cores slow each other down",
            f"export NEARCLASS_THREADS={room}",
        )
    return ok("threads", found)


def accelerator(wanted: str, available: dict[str, bool], card: str, *, idle_card: bool) -> Finding:
    """Whether the device asked for is there, and whether one that is there is used.

    Args:
        wanted: The setting.
        available: Whether torch can use each device, the fastest first.
        card: Name of the GPU, or empty.
        idle_card: Whether there is an NVIDIA GPU that torch cannot use.
    """
    used = next(name for name in available if available[name]) if wanted == "auto" else wanted
    found = f"{used} ({card})" if used == "cuda" and card else used
    if not available[used]:
        have = ", ".join(name for name in available if available[name])
        return problem(
            "device",
            f"{used} is set and not available here (there is: {have})",
            "export NEARCLASS_DEVICE=auto",
        )
    if idle_card:
        fix = "pip uninstall -y torch torchvision && pip install torch torchvision, with the NVIDIA driver"
        return warning("device", f"{found}; there is an NVIDIA GPU that this build of torch cannot use", fix)
    if used == "cpu" and any(there for name, there in available.items() if name != "cpu"):
        return warning(
            "device",
            f"cpu is set although a GPU is available {card}".rstrip(),
            "export NEARCLASS_DEVICE=auto",
        )
    return ok("device", found)


def precision(wanted: str, running: str, speedup: float, least: float) -> Finding:
    """Which arithmetic the encoder runs in, and why.

    Args:
        wanted: The setting.
        running: Device and arithmetic of the loaded encoder, such as ``cpu float32``.
        speedup: How many times faster bfloat16 is here.
        least: From how many times it is worth it.
    """
    device, _, arithmetic = running.partition(" ")
    measured = f"bfloat16 runs at {speedup:.1f} times the rate of float32 here, and {least:g} is worth it"
    if wanted == "bfloat16" and arithmetic != "bfloat16":
        why = "not offered on mps" if device == "mps" else "refused, because its vectors are not equivalent"
        return warning("precision", f"bfloat16 is set and {why}; float32 is used", "export NEARCLASS_PRECISION=auto")
    if wanted == "bfloat16" and speedup < least:
        return warning("precision", f"bfloat16 is set; {measured}", "export NEARCLASS_PRECISION=auto")
    if wanted != "auto":
        return ok("precision", f"{arithmetic}, as set; {measured}")
    if arithmetic == "float32" and speedup >= least and device != "mps":
        return ok("precision", f"float32: {measured}, but the vectors are not equivalent")
    return ok("precision", f"{arithmetic}: {measured}")
