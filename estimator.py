"""A scikit-learn classifier over the same learning: in memory, without a catalogue and without Milvus.

It raises ``ValueError`` for what does not fit together, as everything in scikit-learn does, and the errors of encoders
as they are.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .encoders.background import BACKGROUND
from .encoders.base import Encoder
from .encoders.fingerprint import describe
from .encoders.presets import DEFAULT_TEXT_PRESET
from .encoders.resolve import resolve
from .encoders.text import TextEncoder
from .errors import SpaceMismatchError
from .estimator_inputs import KnownClasses, known_classes, label_values, row_texts, unit_rows
from .estimator_learning import Rows, Scorer, Task, fitted_temperature, learnt
from .learn.adapt import TEMPERATURE
from .learn.lexical import features
from .learn.resolve import class_vector, evidence_vectors
from .schemas.records import ClassSpec, Role
from .schemas.text import canonical

__all__ = ["NearestClassClassifier"]

_DEVICES: Final = ("auto", "cpu", "cuda", "mps")

Floats = NDArray[np.float32]


class NearestClassClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Assigns texts, or vectors of one's own, to the nearest of some classes, which may have no label at all.

    Texts are embedded here. A numeric array holds vectors of one space, one a row; they are scaled to length 1, so that
    only their direction counts. Learning is that of a catalogue: from the texts that speak for the classes, from the
    rows themselves, and from as many labels as there are.

    Args:
        classes: Names; or a mapping of labels to a text, or several, that alone say what the class is; or ``ClassSpec``
            with the id as label, of which only those that may be assigned are answered. Classes without a label in
            ``y`` are answered too. None takes the labels in ``y``; where rows and labels are texts, they are the names.
        encoder: Preset, model id or folder, or an ``Encoder``; None is the default preset. Numeric rows need none.
            With one, the texts of ``classes`` are embedded by it, and it must be the one that made the rows; without,
            the vector of a class is that of its ``ClassSpec`` or the mean of its labelled rows.
        adapt: Whether rows without a label take part in learning.
        calibrate: Whether the temperature of ``predict_proba`` is fitted to labels where they are enough; learns twice.
        unlabelled: What in ``y`` means that there is no label, beside None and NaN, which always do.
        device: Where an encoder that is named runs: ``auto``, ``cpu``, ``cuda`` or ``mps``.

    Attributes:
        classes_: Labels of the classes, sorted, shape (K,).
        class_vectors_: Shape (K, d), float32; not of unit length once something is learnt.
        class_biases_: Shape (K,), float32.
        temperature_: What scores are divided by before the softmax.
        calibrated_: Whether it was fitted to held-out labels, which takes 20: every fourth label of a class.
        gain_: Accuracy on held-out labels before and after learning; None where they were too few, or where class
            vectors come from labels and there is no before.
        space_: Fingerprint of the encoder, or None where nothing was embedded.
        n_features_in_: Length of the rows; only after numeric input.

    Example:
        >>> classifier = NearestClassClassifier()
        >>> classifier.fit([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.8]], ["x", None, "y", None]).predict([[3, 1]]).tolist()
        ['x']
    """

    def __init__(
        self,
        classes: Sequence[str | ClassSpec] | Mapping[Any, str | Sequence[str]] | None = None,
        encoder: str | Encoder | None = None,
        *,
        adapt: bool = True,
        calibrate: bool = True,
        unlabelled: Any = -1,
        device: str = "auto",
    ) -> None:
        self.classes = classes
        self.encoder = encoder
        self.adapt = adapt
        self.calibrate = calibrate
        self.unlabelled = unlabelled
        self.device = device

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803 - the name is scikit-learn's
        """Learn from rows and from what labels there are.

        Args:
            X: Texts, shape (n,), or vectors, shape (n, d), dense and finite.
            y: Labels, shape (n,), some or all of which may be missing; may be left out where ``classes`` are given.

        Raises:
            ValueError: Rows, labels and classes do not fit together, or a class has neither text nor label.
            TaxonomyError: The parents of ``ClassSpec`` make no tree.
            EncoderError: The encoder cannot be found, loaded or run.
        """
        rows = self._rows(X, fitting=True)
        values = self._values(y, len(rows))
        known = known_classes(self.classes, values, in_words=rows.features is not None)
        place = {label: row for row, label in enumerate(known.labels)}
        labels = np.asarray([-1 if value is None else place[value] for value in values], np.int64)
        background = None if rows.features is None else self._embedded(BACKGROUND, Role.ITEM)
        task = Task(rows, labels, known, self._text_vectors(known, rows), background, self.adapt)
        self._scorer = learnt(task)
        self.classes_ = np.asarray(known.labels)
        self.class_vectors_, self.class_biases_ = self._scorer.vectors, self._scorer.biases
        self.gain_ = self._scorer.gain
        temperature = fitted_temperature(task, self._scorer) if self.calibrate else None
        self.calibrated_ = temperature is not None
        self.temperature_ = TEMPERATURE if temperature is None else temperature
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803 - as above
        """The label of the nearest class of each row, shape (n,)."""
        nearest = self._scores(X).argmax(axis=1)
        return np.asarray(self.classes_[nearest])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: N803 - as above
        """The softmax of the scores over the classes, shape (n, K); rows sum to 1.

        Where ``calibrated_`` is true, the temperature was fitted to held-out labels, and for rows like those the
        numbers are right on average. Elsewhere they say which class is nearer, and are no probabilities. Neither knows
        of rows that belong to no class.
        """
        scores = self._scores(X) / self.temperature_
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def decision_function(self, X: Any) -> NDArray[np.float64]:  # noqa: N803 - as above
        """The scores, higher is nearer, shape (n, K); of two classes, the second's minus the first's, shape (n,)."""
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def __sklearn_tags__(self) -> Any:
        # input_tags.string stays false: it would promise columns of text in a 2-D array.
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.classes is None
        return tags

    def __sklearn_clone__(self) -> Self:
        # A model in memory is shared: it cannot be copied, and never changes.
        bare = type(self).__new__(type(self))
        bare.__dict__.update({**self.__dict__, "encoder": None})
        made: Self = BaseEstimator.__sklearn_clone__(bare)
        made.encoder = self.encoder
        return made

    def __getstate__(self) -> dict[str, Any]:
        # A model in memory is pickled by its name; the fingerprint notices where another one answers to it.
        state = dict(super().__getstate__())
        if isinstance(self.encoder, TextEncoder):
            state["encoder"] = self.encoder.space.encoder
        return state

    def _scores(self, rows: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        scorer: Scorer = self._scorer
        return scorer.scores(self._rows(rows, fitting=False))

    def _rows(self, given: Any, *, fitting: bool) -> Rows:
        texts = row_texts(given)
        if not fitting and (texts is None) != hasattr(self, "n_features_in_"):
            fitted, asked = ("texts", "vectors") if texts is None else ("vectors", "texts")
            raise ValueError(f"Fitted on {fitted}, and asked about {asked}.")
        if fitting:
            self.space_: str | None = None
        if texts is None:
            return Rows(unit_rows(validate_data(self, given, reset=fitting, dtype=np.float64)), None)
        for name in {"n_features_in_", "feature_names_in_"} & vars(self).keys():
            delattr(self, name)  # of an earlier fit, on vectors
        clean = [canonical(text) for text in texts]
        return Rows(self._embedded(clean, Role.ITEM), features(clean))

    def _values(self, y: Any, n: int) -> list[Any]:
        """The labels of n rows, None where there is none."""
        if y is None and self.classes is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None; "
                "without labels, say in `classes` what the classes are."
            )
        values = [None] * n if y is None else label_values(y, self.unlabelled)
        if len(values) != n:
            raise ValueError(f"X has {n} rows and y has {len(values)}: inconsistent numbers of samples.")
        return values

    def _embedded(self, texts: Sequence[str], role: Role) -> Floats:
        """Vectors of the texts, in the one space of this classifier."""
        encoder = self._encoder()
        self.space_ = self.space_ or encoder.space.fingerprint
        if encoder.space.fingerprint != self.space_:
            raise SpaceMismatchError(
                f"the encoder {encoder.space.encoder!r} is not the one that the classifier was fitted with",
                hint="Set `encoder` to that one, or fit again.",
            )
        return encoder.encode(texts, role).vectors

    def _encoder(self) -> Encoder:
        if self.device not in _DEVICES:
            raise ValueError(f"device={self.device!r} is none of {', '.join(_DEVICES)}.")
        if self.encoder is not None and not isinstance(self.encoder, str):
            given: Encoder = self.encoder
            return given
        return _named(self.encoder or DEFAULT_TEXT_PRESET, self.device)

    def _text_vectors(self, known: KnownClasses, rows: Rows) -> list[Floats | None]:
        """For each class the vector of its texts, or the one that is given, or None."""
        if rows.features is None and self.encoder is None:
            made = [None if one is None else unit_rows(np.asarray([one], np.float64))[0] for one in known.vectors]
        else:
            every = (one for texts in known.texts for one in texts)
            encoded = evidence_vectors(every, lambda texts: self._embedded(texts, Role.CLASS))
            made = [
                class_vector([one.kind for one in texts], np.stack([encoded[one] for one in texts])) if texts else None
                for texts in known.texts
            ]
        wrong = next((len(one) for one in made if one is not None and len(one) != rows.vectors.shape[1]), None)
        if wrong is not None:
            raise ValueError(
                f"Classes have {wrong} dimensions and rows {rows.vectors.shape[1]}: they are not of one space."
            )
        return made


@lru_cache(maxsize=1)
def _named(name: str, device: str) -> TextEncoder:
    """One model stays in memory, so that not every fold of a cross-validation loads it again."""
    return TextEncoder(describe(resolve(name)), device=device)
