"""The training step of `training_step.rs` in Python's PyTorch, eager.

Reads a line `MODE STEPS` at a time and answers with the seconds that so many steps took.
Modes: float32, float32-channels-last, bfloat16-channels-last.
"""

import sys
import time

import torch
from torch import nn
from torch.nn import functional

CLASSES, SAMPLES, MARGIN = 32, 4, 0.5


def conv4():
    layers, channels = [], 1
    for _ in range(4):
        layers += [
            nn.Conv2d(channels, 64, 3, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        channels = 64
    return nn.Sequential(*layers)


def batch_hard(embeddings, labels):
    squares = embeddings.square().sum(1, keepdim=True)
    squared = squares + squares.t() - 2 * embeddings @ embeddings.t()
    distances = (squared.clamp_min(0) + 1e-12).sqrt()
    same = labels[:, None] == labels[None]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool)
    farthest = distances.masked_fill(~positive, -torch.inf).amax(1)
    nearest = distances.masked_fill(same, torch.inf).amin(1)
    return functional.relu(farthest - nearest + MARGIN).mean()


class Step:
    def __init__(self, mode):
        self.format = torch.contiguous_format
        if mode.endswith("channels-last"):
            self.format = torch.channels_last
        self.mixed = mode.startswith("bfloat16")
        torch.manual_seed(1)
        self.tower = conv4().to(memory_format=self.format)
        self.optimizer = torch.optim.AdamW(self.tower.parameters(), 3e-3, weight_decay=1e-4)
        self.input = torch.rand(CLASSES * SAMPLES, 1, 28, 28)
        self.labels = torch.arange(CLASSES).repeat_interleave(SAMPLES)

    def __call__(self):
        input = self.input.to(memory_format=self.format)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.mixed):
            embeddings = self.tower(input).flatten(1)
        embeddings = functional.normalize(embeddings.float())
        loss = batch_hard(embeddings, self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.tower.parameters(), 10.0)
        self.optimizer.step()
        return loss.item()


def main():
    torch.set_num_threads(int(sys.argv[1]))
    steps = {}
    print(torch.__version__, flush=True)
    for line in sys.stdin:
        mode, count = line.split()
        if mode not in steps:
            steps[mode] = Step(mode)
        step = steps[mode]
        start = time.perf_counter()
        for _ in range(int(count)):
            step()
        print(time.perf_counter() - start, flush=True)


main()
