"""A PyTorch loop of your own in a study: `rf.compare(train=...)`.

The seed decides split, initial weights and order of batches, so every activation meets the same
ones. Validation rows choose the learning rate and the epoch; test rows give the score.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_breast_cancer

import rectifier as rf

X, Y = (torch.tensor(part) for part in load_breast_cancer(return_X_y=True))
X = ((X - X.mean(0)) / X.std(0)).float()
EPOCHS = 15


def train(activation, learning_rate: float, seed: int) -> tuple[float, float]:
    """Accuracy on validation rows and on test rows of one training."""
    random = torch.Generator().manual_seed(seed)
    fit, validation, test = torch.randperm(len(X), generator=random).split([341, 114, 114])
    torch.manual_seed(seed)
    first, second = torch.nn.Linear(X.shape[1], 16), torch.nn.Linear(16, 2)

    def network(x: torch.Tensor) -> torch.Tensor:
        return second(activation(first(x)))

    weights = [*first.parameters(), *second.parameters()]
    optimizer = torch.optim.Adam(weights, lr=learning_rate)
    best = (0.0, 0.0)
    for _ in range(EPOCHS):
        for rows in fit[torch.randperm(len(fit), generator=random)].split(32):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(X[rows]), Y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            right = network(X).argmax(1) == Y
        scores = tuple(right[rows].float().mean().item() for rows in (validation, test))
        if scores[0] > best[0]:  # the epoch too is chosen by validation rows alone
            best = scores
    return best


def main(out: str | None = None, **settings) -> rf.Study:
    usual = {"activations": ("relu", "tanh", "mish", "identity"), "learning_rates": (3e-3, 3e-2)}
    return rf.compare(train=train, metric="accuracy", out=out, **{**usual, **settings})


if __name__ == "__main__":
    study = main("rectifier-runs/pytorch-loop")
    print(study.table.select("activation", "mean", "difference", "probability_better"))
    print(study.verdict["reason"])
