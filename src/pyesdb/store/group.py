"""A group: the slots whose commands become one log entry, and how each gets its answer.

What must never happen here: an answer before its COMMIT, one caller's defect in another's answer,
a slot that is forgotten when something is raised in the middle.
"""

from collections.abc import Callable

from pyesdb.log.local import LocalLog, LockBusyError
from pyesdb.model.commands import Entry
from pyesdb.model.errors import Internal, OutcomeUnknown, PyesdbError
from pyesdb.model.outcomes import Appended, Outcome
from pyesdb.store.applier import Applier, CommitInDoubtError, MovedError
from pyesdb.store.slots import DONE, Slot, wake_all
from pyesdb.store.writes import command_id_of


class Group:
    """What the leader has taken from the queue and not settled yet."""

    def __init__(
        self, applier: Applier, log: LocalLog, on_moved: Callable[[], PyesdbError]
    ) -> None:
        self.slots: list[Slot] = []
        self._applier = applier
        self._log = log
        self._on_moved = on_moved

    def commit(self) -> bool:
        """Propose and settle all; False: another process holds the store, nothing happened."""
        try:
            self._log.propose([slot.command for slot in self.slots])
        except LockBusyError:
            return False
        except (MovedError, CommitInDoubtError, PyesdbError) as error:
            self._give_up(error)
        except Exception as error:  # noqa: BLE001  (a defect of ours: find whose command it is)
            if len(self.slots) > 1:
                return self._one_by_one()
            self.fail(internal(error))
        return True

    def _give_up(self, error: Exception) -> None:
        match error:
            case MovedError():
                self.fail(self._moved_error())
            case CommitInDoubtError():
                self._settle_recorded(error)
            case PyesdbError():
                self.fail(error)
            case _:
                self.fail(internal(error))

    def _moved_error(self) -> PyesdbError:
        """Why the file is not there; asking the catalog may itself fail."""
        try:
            return self._on_moved()
        except PyesdbError as error:
            return error
        except Exception as error:  # noqa: BLE001  (nobody may be left waiting)
            return internal(error)

    def _one_by_one(self) -> bool:
        """Everyone gets an entry of his own, and the culprit the error."""
        for slot in list(self.slots):
            if slot.state is DONE:
                continue  # answered with the trouble of another one: must not be stored now
            try:
                self._log.propose([slot.command])
            except LockBusyError:
                return False
            except (CommitInDoubtError, MovedError) as error:
                self._give_up(error)
                return True
            except PyesdbError as error:
                self.fail(error, slot)
            except Exception as error:  # noqa: BLE001  (the culprit)
                self.fail(internal(error), slot)
        return True

    def settle(self, entry: Entry, outcomes: list[Outcome]) -> None:
        """Answer: called by the applier, behind the COMMIT."""
        answers: dict[bytes, Outcome] = {}
        later: dict[bytes, list[Outcome]] = {}
        for command, outcome in zip(entry.commands, outcomes, strict=True):
            if answers.setdefault(command.id, outcome) is not outcome:
                later.setdefault(command.id, []).append(outcome)
        self._answer(answers, later)

    def _answer(
        self, answers: dict[bytes, Outcome], later: dict[bytes, list[Outcome]] | None = None
    ) -> None:
        """One id may be there more than once: its outcomes are in the order of the slots."""
        settled: list[Slot] = []
        for slot in self.slots:
            id_ = slot.command.id
            found = answers.get(id_)
            if found is not None and slot.state is not DONE:
                slot.outcome = found
                slot.state = DONE
                settled.append(slot)
                if later and later.get(id_):
                    answers[id_] = later[id_].pop(0)
        wake_all(settled)
        self.slots = [slot for slot in self.slots if slot.state is not DONE]

    def fail(self, error: PyesdbError, only: Slot | None = None) -> None:
        """Give all (or one) of the slots an error."""
        failed = [slot for slot in self.slots if only is None or slot is only]
        for slot in failed:
            if slot.state is not DONE:
                slot.error = error
                slot.state = DONE
        wake_all(failed)
        self.slots = [slot for slot in self.slots if slot.state is not DONE]

    def _settle_recorded(self, cause: CommitInDoubtError) -> None:
        """COMMIT failed: nobody is answered before an entry stands behind it."""
        try:
            found = self._applier.recorded([slot.command for slot in self.slots])
        except (PyesdbError, MovedError) as error:
            for slot in list(self.slots):
                self.fail(outcome_unknown(slot, f"{cause}; {error}"), slot)
            return
        self._answer(_firsts(found))
        self.fail(cause.error)

    def mend(self) -> None:
        """The leader was interrupted: back to what is committed, and answer what is recorded.

        What is left in `slots` afterwards was not stored.
        """
        try:
            self._applier.rollback()
            waiting = [slot for slot in self.slots if slot.state is not DONE]
            wake_all([slot for slot in self.slots if slot.state is DONE])
            if waiting:
                self._answer(_firsts(self._applier.look_up([s.command for s in waiting])))
        except Exception as error:  # noqa: BLE001  (nobody may be left waiting)
            for slot in list(self.slots):  # it may be stored: the interrupt may have come behind it
                self.fail(outcome_unknown(slot, str(error)), slot)
        self._log.release()


def _firsts(found: dict[bytes, Outcome | None]) -> dict[bytes, Outcome]:
    """Recorded outcomes as the first answers that they are."""
    return {
        id_: Appended(outcome.results, outcome.many) if isinstance(outcome, Appended) else outcome
        for id_, outcome in found.items()
        if outcome is not None
    }


def internal(error: BaseException) -> Internal:
    """The error of a defect of ours."""
    found = Internal(f"{type(error).__name__}: {error}: nothing was stored; please report this")
    found.__cause__ = error
    return found


def outcome_unknown(slot: Slot, why: str = "its commit did not end in time") -> OutcomeUnknown:
    """The error of a command that was proposed and not answered."""
    id_ = command_id_of(slot.command)
    return OutcomeUnknown(
        f"not known whether the command was stored ({why}): call again with command_id={id_}, "
        "or ask store.outcome(command_id)",
        command_id=id_,
    )
