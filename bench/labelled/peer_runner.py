"""Runs one peer on one task; started by ``peers.py`` with the Python of the peers' own environment.

Reads the task, a JSON file, and the vectors beside it; writes the answers as a JSON list of class names.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Task file, vectors file, file for the answers."""
    task_file, vectors_file, answers_file = map(Path, sys.argv[1:4])
    task = json.loads(task_file.read_text())
    run = {"semantic-router": semantic_router, "setfit": setfit}[task["peer"]]
    answers_file.write_text(json.dumps(run(task, vectors_file)))


def semantic_router(task: dict[str, Any], vectors_file: Path) -> list[str]:
    """The router with its defaults: mean of the scores of each route among the five nearest utterances."""
    from semantic_router import IndexedRouter, Route
    from semantic_router.encoders import DenseEncoder

    vectors = dict(zip(task["texts"], np.load(vectors_file).tolist(), strict=True))

    class Given(DenseEncoder):
        """The vectors of our encoder, so that the two differ in nothing but what follows."""

        def __call__(self, docs: list[str]) -> list[list[float]]:
            return [vectors[text] for text in docs]

    routes = [Route(name=name, utterances=utterances) for name, utterances in task["classes"].items()]
    router = IndexedRouter(encoder=Given(name="given"), routes=routes)
    return [router(text).name for text in task["items"]]


def setfit(task: dict[str, Any], _: Path) -> list[str]:
    """Contrastive training of the encoder on the labels, then its logistic regression."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    pairs = [(text, name) for name, texts in task["classes"].items() for text in texts]
    model = SetFitModel.from_pretrained(task["model"], labels=list(task["classes"]))
    arguments = TrainingArguments(
        output_dir=str(Path(sys.argv[3]).parent / "setfit"),
        batch_size=16,
        num_epochs=1,
        num_iterations=task["pairs_a_label"],
        seed=task["seed"],
        report_to="none",
        save_strategy="no",
        show_progress_bar=False,
    )
    data = Dataset.from_dict({"text": [text for text, _ in pairs], "label": [name for _, name in pairs]})
    Trainer(model=model, args=arguments, train_dataset=data).train()
    return [str(label) for label in model.predict(task["items"])]


if __name__ == "__main__":
    main()
