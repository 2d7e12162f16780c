"""What every schedule is: two questions, "prune at this step?" and "to which sparsity?"."""

import math
import numbers
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

_KINDS: dict[str, type["Schedule"]] = {}


def check_number(owner: object, name: str, expected: str) -> float:
    """The finite number that a field holds; it is stored as a float.

    Args:
        owner: the schedule; a frozen dataclass, whose field is written all the same.
        name: of the field.
        expected: what to say that it has to be.

    Raises:
        ValueError: it is text, a boolean, nothing, or not finite.
    """
    value = getattr(owner, name)
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"{type(owner).__name__}: {name} is {value!r}; expected {expected}")
    object.__setattr__(owner, name, float(value))
    return float(value)


def check_sparsity(owner: object, name: str) -> None:
    """Raise ValueError unless a field holds a fraction in [0, 1); it is stored as a float."""
    value, expected = getattr(owner, name), "a fraction in [0, 1), 0.8 for 80 %"
    if not 0.0 <= check_number(owner, name, expected) < 1.0:
        raise ValueError(f"{type(owner).__name__}: {name} is {value!r}; expected {expected}")


def check_rise(owner: object, initial: float, final: float) -> None:
    """Raise ValueError if the initial sparsity is above the final one."""
    if initial > final:
        raise ValueError(
            f"{type(owner).__name__}: initial_sparsity {initial} is above final_sparsity {final}; expected at most "
            "that: what is pruned does not come back"
        )


def check_count(owner: object, name: str, expected: str) -> None:
    """Raise ValueError unless a field holds a whole number of 1 or more; it is stored as an int."""
    value = getattr(owner, name)
    number = check_number(owner, name, expected)
    if number != round(number) or number < 1:
        raise ValueError(f"{type(owner).__name__}: {name} is {value!r}; expected {expected}")
    object.__setattr__(owner, name, round(number))


def check_steps(owner: object, endless: bool) -> None:
    """Raise ValueError unless a schedule's begin_step, end_step and frequency describe a range of steps.

    A step that comes out fractional (0.1 * steps) is rounded to the nearest one; a mere fraction is an error.

    Args:
        owner: the schedule; those of the three that are its fields are stored as ints.
        endless: whether end_step may be -1, no end.
    """
    kind, known = type(owner).__name__, {field.name for field in fields(owner)}  # type: ignore[arg-type]
    for name in ("begin_step", "end_step", "frequency"):
        if name not in known:
            continue
        value = getattr(owner, name)
        number = check_number(owner, name, "a step, a whole number")
        if 0 < abs(number) < 1:
            raise ValueError(
                f"{kind}: {name} is {value!r}, a fraction; expected a step: multiply it by the number of steps"
            )
        object.__setattr__(owner, name, round(number))
    begin_step, end_step, frequency = owner.begin_step, owner.end_step, owner.frequency  # type: ignore[attr-defined]
    if begin_step < 0:
        raise ValueError(f"{kind}: begin_step is {begin_step}; expected 0 or more")
    if frequency < 1:
        raise ValueError(f"{kind}: frequency is {frequency}; expected 1 or more steps between prunings")
    if end_step == -1:
        if not endless:
            raise ValueError(f"{kind}: end_step is -1 (no end); this curve needs the step at which it ends")
    elif end_step < begin_step:
        raise ValueError(
            f"{kind}: end_step is {end_step}, before begin_step {begin_step}; expected -1 or a later step"
        )


@dataclass(frozen=True)
class Schedule:
    """Base of the schedules: calling one with a step answers `(should_prune, sparsity)`.

    A subclass is a frozen dataclass with the fields `begin_step`, `end_step` and `frequency` that defines
    `sparsity(step)`. Pruning happens inside [begin_step, end_step], every `frequency` steps from begin_step,
    and always at a given end_step (tensorflow-model-optimization skips it when the range is no multiple of
    the frequency, so that the final sparsity is never reached there).
    """

    rises: ClassVar[bool] = True  # whether sparsity never falls from step to step

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _KINDS[cls.__name__] = cls

    def __call__(self, step: int) -> tuple[bool, float]:
        """Answer for one optimizer step.

        Args:
            step: optimizer iterations so far; an int, or a scalar that `int()` takes.

        Returns:
            should_prune (bool), and the sparsity (float, fraction in [0, 1)) that holds at this step.
        """
        step = int(step)
        return self.prunes(step), self.sparsity(step)

    def prunes(self, step: int) -> bool:
        """Whether to prune at `step`."""
        begin, end, frequency = self.begin_step, self.end_step, self.frequency  # type: ignore[attr-defined]
        if step < begin or (end != -1 and step > end):
            return False
        return (step - begin) % frequency == 0 or step == end

    def sparsity(self, step: int) -> float:
        """The fraction to be pruned at `step`."""
        raise NotImplementedError(f"{type(self).__name__} must define sparsity(step)")

    def get_config(self) -> dict[str, Any]:
        """Plain dict `{"class_name": ..., "config": {...}}`, as tensorflow-model-optimization writes it."""
        return {"class_name": type(self).__name__, "config": asdict(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Schedule":
        """A schedule from `get_config()`'s dict, or from its inner dict of arguments."""
        if "class_name" in config:
            schedule = from_config(config)
            if not isinstance(schedule, cls):
                raise ValueError(
                    f"{cls.__name__}.from_config: the dict describes a {config['class_name']}; "
                    "use schedules.from_config for any kind"
                )
            return schedule
        return _make(cls, config)


def from_config(config: dict[str, Any]) -> Schedule:
    """The schedule that `get_config()` described.

    Args:
        config: `{"class_name": name, "config": {argument: value}}`.

    Raises:
        ValueError: the dict has another form, the class is unknown, or an argument is unknown or missing.
    """
    if not isinstance(config, dict) or "class_name" not in config or not isinstance(config.get("config"), dict):
        raise ValueError(
            f"schedules.from_config: got {config!r}; expected the dict of get_config(), "
            'that is {"class_name": ..., "config": {...}}'
        )
    name = config["class_name"]
    if name not in _KINDS:
        raise ValueError(
            f"schedules.from_config: unknown class {name!r}; known are {', '.join(sorted(_KINDS))}"
        )
    return _make(_KINDS[name], config["config"])


def _make(cls: type[Schedule], arguments: dict[str, Any]) -> Schedule:
    known = {field.name for field in fields(cls)}
    unknown = sorted(set(arguments) - known)
    if unknown:
        raise ValueError(
            f"{cls.__name__}: unknown argument {unknown[0]!r}; it takes {', '.join(sorted(known))}"
        )
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ValueError(f"{cls.__name__}: {error}") from error
