"""From LLVM's text to machine code for this processor, and from machine code to an address."""

from __future__ import annotations

import itertools
import threading
from functools import cache
from typing import Any

from rectifier.kernels.source import ENTRY

_lock = threading.Lock()
_serial = itertools.count()


@cache
def machine(cpu: str = "") -> Any:
    """A processor that LLVM knows by name; by default the one that this process runs on, with all
    its instructions."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=cpu or llvm.get_host_cpu_name(),
        features="" if cpu else llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        jit=True,
    )


def machine_name() -> str:
    """Everything that the code is made for, as text: code for another machine may not run."""
    import llvmlite.binding as llvm

    return " ".join(
        (
            llvm.get_process_triple(),
            llvm.get_host_cpu_name(),
            llvm.get_host_cpu_features().flatten(),
        )
    )


def compiled(text: str, cpu: str = "") -> bytes:
    """The object file of LLVM's text."""
    with _lock:
        return machine(cpu).emit_object(_optimised(text, cpu))


def assembly(text: str, cpu: str = "") -> str:
    """What :func:`compiled` gives, to be read."""
    with _lock:
        return machine(cpu).emit_assembly(_optimised(text, cpu))


def _optimised(text: str, cpu: str) -> Any:
    """LLVM's text as a module after all its passes."""
    import llvmlite.binding as llvm

    target = machine(cpu)
    module = llvm.parse_assembly(text)
    module.triple = target.triple
    module.data_layout = str(target.target_data)
    module.verify()
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = True
    passes = llvm.create_pass_builder(target, tuning)
    passes.getModulePassManager().run(module, passes)
    return module


class Loaded:
    """An object file in memory; its code is there for as long as this is.

    Raises:
        RuntimeError: it is no object file, or not one for this machine.
    """

    def __init__(self, code: bytes, *others: str) -> None:
        """
        Args:
            others: functions besides the first, whose addresses are in ``others`` then.
        """
        import llvmlite.binding as llvm

        with _lock:
            builder = llvm.JITLibraryBuilder().add_object_img(code)
            for name in (ENTRY, *others):
                builder.export_symbol(name)
            builder.add_current_process()
            self._tracker = builder.link(_linker(), f"rectifier-{next(_serial)}")
            self.address: int = self._tracker[ENTRY]
            self.others: list[int] = [self._tracker[name] for name in others]


@cache
def _linker() -> Any:
    import llvmlite.binding as llvm

    machine()
    return llvm.create_lljit_compiler(machine(), use_jit_link=False)
