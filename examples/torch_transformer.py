"""A transformer block as Hugging Face's are built, in a PyTorch loop: `rf.compare(train=...)`.

    python examples/torch_transformer.py

Attention, residuals, layer norms and an MLP whose activation is the question (`hidden_act` in a
Hugging Face config; gelu in BERT, silu in Llama). The task is made up: in a sequence of letters, is
the first one there again later on? A model has to look from one place to all others, so that
attention is needed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

import rectifier as rf

LETTERS, LENGTH, ROWS = 12, 8, 1200
WIDTH, HEADS = 16, 2
EPOCHS = 12


class Block(nn.Module):
    """One encoder layer, norm first: attention, then an MLP of four times the width."""

    def __init__(self, activation) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.act = activation  # a function of tensors; one without weights need not be a module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.norm_1(x)
        x = x + self.attention(z, z, z, need_weights=False)[0]
        return x + self.down(self.act(self.up(self.norm_2(x))))


class Classifier(nn.Module):
    def __init__(self, activation) -> None:
        super().__init__()
        self.letters, self.places = nn.Embedding(LETTERS, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.block, self.norm = Block(activation), nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 2)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        x = self.letters(text) + self.places.weight
        return self.head(self.norm(self.block(x))[:, 0])


def sequences() -> tuple[torch.Tensor, torch.Tensor]:
    """Letters [ROWS, LENGTH] and whether the first of each row comes again, about half do."""
    random = torch.Generator().manual_seed(0)
    text = torch.randint(LETTERS, (ROWS, LENGTH), generator=random)
    return text, (text[:, 1:] == text[:, :1]).any(1).long()


def train(activation, learning_rate: float, seed: int) -> tuple[float, float]:
    """Accuracy on validation rows and on test rows of one training."""
    text, y = sequences()
    random = torch.Generator().manual_seed(seed)
    sizes = [ROWS * 3 // 5, ROWS // 5, ROWS - ROWS * 3 // 5 - ROWS // 5]
    fit, validation, test = torch.randperm(ROWS, generator=random).split(sizes)
    torch.manual_seed(seed)  # every activation meets the same initial weights
    model = Classifier(activation)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01)
    best = (0.0, 0.0)
    for _ in range(EPOCHS):
        for rows in fit[torch.randperm(len(fit), generator=random)].split(32):
            optimizer.zero_grad()
            F.cross_entropy(model(text[rows]), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            right = model(text).argmax(1) == y
        scores = tuple(right[rows].float().mean().item() for rows in (validation, test))
        best = max(best, scores, key=lambda pair: pair[0])  # validation rows choose the epoch
    return best


def main(out: str | None = None, **settings: Any) -> rf.Study:
    usual = {"activations": ("gelu", "relu", "silu", "relu2"), "baseline": "gelu"}
    usual |= {"learning_rates": (3e-3, 1e-2), "seeds": 5, "tune_seeds": 2}
    return rf.compare(train=train, metric="accuracy", out=out, **{**usual, **settings})


if __name__ == "__main__":
    study = main("rectifier-runs/transformer")
    print(study.table.select("activation", "mean", "difference", "probability_better"))
    print(study.verdict["reason"])
