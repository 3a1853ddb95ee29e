"""Two language models trained with other activations in them: memory, speed and the loss.

A part of :mod:`benchmarks.gpu`. GPT-2-small's and a Llama-style configuration (of transformers; the
weights are random, nothing is downloaded) on generated text, under autocast to bfloat16, AdamW.
``stock`` is trained with two seeds: the difference of their last losses is what noise is. ``kept``
is what autograd saves in one forward pass, each storage once, parameters aside; ``peak`` what CUDA
had allocated at most beside parameters, gradients and the optimiser's state.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

from rectifier import torch as rt

LAST = 0.1  # share of the steps whose mean loss is the final one


def text(generator: np.random.Generator, count: int, length: int, words: int) -> torch.Tensor:
    """``count`` lines of ``length`` tokens: four in five follow from the one before, the fifth is
    drawn. What follows what is the same in every text; the least loss is about 0.2 log(words)."""
    words = min(words, 997)
    after = np.random.default_rng(0).permutation(words)
    lines = generator.integers(0, words, (count, length))
    drawn = generator.random((count, length)) < 0.2
    for place in range(1, length):
        lines[:, place] = np.where(drawn[:, place], lines[:, place], after[lines[:, place - 1]])
    return torch.from_numpy(lines)


def models(smoke: bool) -> dict[str, tuple[Callable[[], torch.nn.Module], int]]:
    """By name: how a model is made, and how many words it knows."""
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    words = 128 if smoke else 50_257
    none = {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0}
    small = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64} if smoke else {}
    gpt2 = GPT2Config(vocab_size=words, bos_token_id=0, eos_token_id=0, **none, **small)
    wide = (32, 88, 2, 2) if smoke else (1024, 2816, 16, 16)
    llama = LlamaConfig(
        vocab_size=words,
        hidden_size=wide[0],
        intermediate_size=wide[1],
        num_hidden_layers=wide[2] if smoke else 12,
        num_attention_heads=wide[3],
        num_key_value_heads=wide[3],
        max_position_embeddings=1024,
    )
    return {
        "gpt2-small": (lambda: GPT2LMHeadModel(gpt2), words),
        "llama-style": (lambda: LlamaForCausalLM(llama), words),
    }


# -- what is done to a model ---------------------------------------------------------------------


def stock(model: torch.nn.Module, batch: torch.Tensor) -> torch.nn.Module:
    return model


def ours(model: torch.nn.Module, batch: torch.Tensor) -> torch.nn.Module:
    """Our activations in place of the model's, and a gated pair as one."""
    _gated(model, rt.SwiGLU())
    for module in model.modules():
        if type(module).__name__ == "GPT2MLP":
            module.act = rt.GELUTanh()
    return model


def low(model: torch.nn.Module, batch: torch.Tensor) -> torch.nn.Module:
    return rt.low_memory(model, data={"input_ids": batch}, inplace=True).model


def liger(model: torch.nn.Module, batch: torch.Tensor) -> torch.nn.Module:
    from liger_kernel.ops.swiglu import LigerSiLUMulFunction

    _gated(model, LigerSiLUMulFunction.apply)
    return model


def checkpointed(model: torch.nn.Module, batch: torch.Tensor) -> torch.nn.Module:
    """The MLPs computed again in the backward pass."""
    for module in model.modules():
        if type(module).__name__ in ("GPT2MLP", "LlamaMLP"):
            forward = module.forward
            module.forward = lambda *a, forward=forward: checkpoint(
                forward, *a, use_reentrant=False
            )
    return model


def _gated(model: torch.nn.Module, pair: Callable[..., torch.Tensor]) -> None:
    for module in model.modules():
        if type(module).__name__ == "LlamaMLP":
            module.forward = lambda x, m=module: m.down_proj(pair(m.gate_proj(x), m.up_proj(x)))


WAYS: dict[str, Callable[..., torch.nn.Module]] = {
    "stock": stock,
    "stock, another seed": stock,
    "ours": ours,
    "ours, low": low,
    "liger": liger,
    "checkpointed MLPs": checkpointed,
}
LLAMA_ONLY = ("liger",)


# -- training ------------------------------------------------------------------------------------


def rows(device: torch.device, smoke: bool, until: float) -> Iterator[dict[str, Any]]:
    """One for each model and way."""
    steps, lines, length = (6, 2, 16) if smoke else (500, 4, 1024)
    for name, (make, words) in models(smoke).items():
        for way, change in WAYS.items():
            if way in LLAMA_ONLY and name != "llama-style":
                continue
            row = {"model": name, "way": way, "steps": 0, "tokens_per_second": "", "peak_mib": ""}
            row |= {"kept_mib": "", "loss": "", "said": ""}
            if time.monotonic() > until:
                yield row | {"said": "no time left"}
                continue
            seed = 1 if way.endswith("another seed") else 0
            generator = np.random.default_rng(seed)
            data = text(generator, steps * lines, length, words).reshape(steps, lines, length)
            torch.manual_seed(seed)
            model = make().to(device)
            try:
                model = change(model, data[0].to(device))
            except ImportError as error:
                print(f"  model {name}, way {way}: {error}", flush=True)
                yield row | {"said": str(error)}
                continue
            row |= trained(model, data.to(device), until)
            shown = {k: v for k, v in row.items() if v != ""}
            print("  " + ", ".join(f"{k} {v}" for k, v in shown.items()), flush=True)
            yield row


def trained(model: torch.nn.Module, data: torch.Tensor, until: float) -> dict[str, Any]:
    """Trains a step on each batch of ``data``, int64, (steps, lines, length)."""
    device = data.device
    on_gpu = device.type == "cuda"
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=on_gpu)

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return model(input_ids=batch, labels=batch).loss

    kept = _kept(lambda: loss_of(data[0]), model)
    losses, warm = [], min(5, len(data) // 2)
    started, base = time.perf_counter(), 0
    for step, batch in enumerate(data):
        if step == warm:
            if on_gpu:
                torch.cuda.synchronize()
                torch.cuda.reset_peak_memory_stats()
                base = torch.cuda.memory_allocated()
            started = time.perf_counter()
        loss = loss_of(batch)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=False)  # gradients stay allocated: the base counts them
        losses.append(loss.detach())
        if step % 50 == 0 and time.monotonic() > until + 30:
            break
    if on_gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    done = torch.stack(losses).float().cpu()
    peak = (torch.cuda.max_memory_allocated() - base) / 2**20 if on_gpu else float("nan")
    return {
        "steps": len(done),
        "tokens_per_second": f"{(len(done) - warm) * data[0].numel() / seconds:.0f}",
        "peak_mib": f"{peak:.1f}" if on_gpu else "",
        "kept_mib": f"{kept / 2**20:.3f}",
        "loss": f"{float(done[-max(1, int(LAST * len(done))) :].mean()):.4f}",
    }


def _kept(forward: Callable[[], Any], model: torch.nn.Module) -> int:
    """Bytes that one forward pass saves, each storage once, parameters and buffers aside."""
    from rectifier.repair.swapping.on_torch import kept_by

    return kept_by(forward, [*model.parameters(), *model.buffers()])
