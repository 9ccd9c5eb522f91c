"""What one would do by hand with labels: logistic regression on the same vectors."""

import numpy as np

from labelled.draws import Draw
from labelled.sets import Floats


def logistic(draw: Draw) -> Floats:
    """Scores of the judged rows, shape (rows, K), learnt from labelled rows and class names."""
    from sklearn.linear_model import LogisticRegression

    one = draw.one
    inputs = np.concatenate([one.items.vectors[draw.told], one.classes.bare])
    targets = np.concatenate([one.first[draw.told], np.arange(len(one.classes.ids))])
    model = LogisticRegression(C=10.0, max_iter=100).fit(inputs, targets)
    return np.asarray(model.decision_function(one.items.vectors[draw.judged]), np.float32)
