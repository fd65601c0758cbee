"""A session in full feature phase that checks every number the target sends.

StatSN, DataSN, R2TSN, offsets, burst lengths and residuals are asserted on every PDU, so each
test that moves data also tests the sequence rules of RFC 7143 section 4.2 and 11.7 to 11.8.
"""

import contextlib
import itertools
import time

from login import DEFAULTS, HOST, OFFER, Login, run_login
from pdu import (DATA_IN, DATA_OUT, FINAL, LOGOUT_REQUEST, LOGOUT_RESPONSE, NONE_TAG, NOP_IN,
                 NOP_OUT, OVERFLOW, R2T, READ, SCSI_COMMAND, SCSI_RESPONSE, STATUS_BIT,
                 TEXT_REQUEST, TEXT_RESPONSE, TMF_REQUEST, TMF_RESPONSE, UNDERFLOW, WRITE, Pdu,
                 text)
from scsi import CHECK_CONDITION, GOOD, TEST_UNIT_READY, sense_code
from wire import DEADLINE, Silence

SIMPLE = 1
ABORT_TASK, ABORT_TASK_SET, CLEAR_ACA, CLEAR_TASK_SET = 1, 2, 3, 4
LUN_RESET, WARM_RESET, COLD_RESET, TASK_REASSIGN = 5, 6, 7, 8


class Task:
    """One SCSI command: what was sent, what came."""

    def __init__(self, itt, edtl, data):
        self.itt, self.edtl, self.data_out = itt, edtl, data
        self.data_in, self.pdus, self.r2ts = b"", [], []
        self.in_burst, self.data_sn, self.sent = 0, 0, 0
        self.status = self.sense = None
        self.residual, self.residual_flags, self.done = 0, 0, False

    @property
    def code(self):
        return sense_code(self.sense)

    def assert_good(self):
        code = f"{self.code:06x}" if self.sense else None
        assert self.status == GOOD, f"status {self.status:#04x}, sense {code}"
        return self


class Session:
    def __init__(self, login, last, offer):
        self.login, self.connection = login, login.connection
        self.tsih, self.isid, self.cid = last.tsih, login.isid, login.cid
        self.exp_stat_sn = login.exp_stat_sn
        self.cmd_sn = login.cmd_sn
        self.exp_cmd_sn, self.max_cmd_sn = last.exp_cmd_sn, last.max_cmd_sn
        answers = dict(login.answers)
        self.values = DEFAULTS | {key: answers.get(key, offer.get(key, DEFAULTS[key]))
                                  for key in DEFAULTS if key in offer or key in answers}
        # Declared by each side for itself: ours limits Data-In, theirs limits what we send.
        self.my_segment = int(offer.get("MaxRecvDataSegmentLength", 8192))
        self.segment = int(answers.get("MaxRecvDataSegmentLength", 8192))
        self.burst = int(self.values["MaxBurstLength"])
        self.first_burst = int(self.values["FirstBurstLength"])
        self.initial_r2t = self.values["InitialR2T"] == "Yes"
        self.immediate_data = self.values["ImmediateData"] == "Yes"
        self.connection.header_digest = self.values["HeaderDigest"] == "CRC32C"
        self.connection.data_digest = self.values["DataDigest"] == "CRC32C"
        self.tags = itertools.count(1)
        self.tasks, self.others, self.answer_pings, self.pings = {}, [], True, []
        self.answer_r2t = True

    # Sending

    def numbers(self, immediate=False):
        """CmdSN and ExpStatSN for the next request."""
        cmd_sn = self.cmd_sn
        if not immediate:
            self.cmd_sn = cmd_sn + 1 & NONE_TAG
        return {"cmd_sn": cmd_sn, "exp_stat_sn": self.exp_stat_sn}

    def command_pdu(self, cdb, *, read=0, write=b"", edtl=None, lun=0, immediate=False, itt=None,
                    attribute=SIMPLE, data=None, final=None, flags=None):
        """A SCSI Command with the immediate data the session allows, and its Task."""
        itt = next(self.tags) if itt is None else itt
        length = (len(write) if write else read) if edtl is None else edtl
        if data is None:
            limit = min(self.segment, self.first_burst, length)
            data = write[:limit] if self.immediate_data else b""
        unsolicited = bool(write) and not final and not self.initial_r2t and (
            len(data) < min(self.first_burst, length))
        final = not unsolicited if final is None else final
        bits = (FINAL if final else 0) | (READ if read else 0) | (WRITE if write else 0) | attribute
        pdu = Pdu(SCSI_COMMAND, immediate=immediate, flags=bits if flags is None else flags,
                  lun=lun << 48, itt=itt, edtl=length, cdb=cdb, data=data,
                  **self.numbers(immediate))
        task = Task(itt, length, write)
        task.sent, task.unsolicited = len(data), unsolicited
        return pdu, task

    def start(self, cdb, **how):
        """Sends a command (and its unsolicited data) and returns its Task at once."""
        pdu, task = self.command_pdu(cdb, **how)
        self.tasks[task.itt] = task
        pdus = [pdu]
        if task.unsolicited:
            end = min(self.first_burst, len(task.data_out))
            pdus += self.data_out(task, task.sent, end - task.sent)
        self.connection.send(*pdus)
        return task

    def data_out(self, task, offset, length, ttt=NONE_TAG, segment=None):
        """The Data-Out PDUs of one sequence, DataSN from 0, F on the last."""
        segment, pdus, end = segment or self.segment, [], offset + length
        while offset < end:
            piece = task.data_out[offset:min(end, offset + segment)]
            pdus.append(Pdu(DATA_OUT, flags=FINAL if offset + len(piece) >= end else 0,
                            itt=task.itt, ttt=ttt, exp_stat_sn=self.exp_stat_sn,
                            data_sn=len(pdus), offset=offset, data=piece))
            offset += len(piece)
        task.sent = max(task.sent, end)
        return pdus

    # Receiving

    def count_status(self, pdu):
        assert pdu.stat_sn == self.exp_stat_sn, f"StatSN is not {self.exp_stat_sn:#x}: {pdu}"
        self.exp_stat_sn = self.exp_stat_sn + 1 & NONE_TAG

    def pump(self, deadline=DEADLINE):
        """Receives one PDU and does what it asks; gives it."""
        pdu = self.connection.receive(deadline)
        assert (pdu.max_cmd_sn - pdu.exp_cmd_sn + 1) % 2**32 < 2**31, f"window ends early: {pdu}"
        self.exp_cmd_sn, self.max_cmd_sn = pdu.exp_cmd_sn, pdu.max_cmd_sn
        if pdu.opcode == DATA_IN:
            self._on_data_in(pdu)
        elif pdu.opcode == R2T:
            self._on_r2t(pdu)
        elif pdu.opcode == SCSI_RESPONSE:
            self._on_response(pdu)
        elif pdu.opcode == NOP_IN and pdu.itt == NONE_TAG:
            self._on_ping(pdu)
        else:
            self.count_status(pdu)
            self.others.append(pdu)
        return pdu

    def _on_ping(self, pdu):
        assert pdu.stat_sn == self.exp_stat_sn, f"a ping carries the next StatSN: {pdu}"
        self.pings.append(pdu)
        if self.answer_pings and pdu.ttt != NONE_TAG:
            self.connection.send(Pdu(NOP_OUT, immediate=True, flags=FINAL, lun=pdu.lun,
                                     itt=NONE_TAG, ttt=pdu.ttt, cmd_sn=self.cmd_sn,
                                     exp_stat_sn=self.exp_stat_sn))

    def _task(self, pdu):
        assert pdu.itt in self.tasks, f"no task has this tag: {pdu}"
        task = self.tasks[pdu.itt]
        task.pdus.append(pdu)
        return task

    def _on_data_in(self, pdu):
        task = self._task(pdu)
        assert len(pdu.data) <= self.my_segment, f"more than MaxRecvDataSegmentLength: {pdu}"
        assert pdu.data_sn == task.data_sn, f"DataSN is not {task.data_sn}: {pdu}"
        assert pdu.offset == len(task.data_in), f"offset is not {len(task.data_in):#x}: {pdu}"
        assert len(task.data_in) + len(pdu.data) <= task.edtl, f"more data than asked for: {pdu}"
        task.data_sn += 1
        task.data_in += pdu.data
        task.in_burst += len(pdu.data)
        assert task.in_burst <= self.burst, f"longer than MaxBurstLength: {pdu}"
        if pdu.flags & FINAL:
            task.in_burst = 0
        if pdu.flags & STATUS_BIT:
            assert pdu.flags & FINAL, f"status without the F bit: {pdu}"
            self._finish(task, pdu)

    def _on_r2t(self, pdu):
        task = self._task(pdu)
        assert pdu.flags == FINAL, f"byte 1 of an R2T is 80h: {pdu}"
        assert pdu.stat_sn == self.exp_stat_sn, f"an R2T carries the next StatSN: {pdu}"
        assert pdu.r2t_sn == len(task.r2ts), f"R2TSN is not {len(task.r2ts)}: {pdu}"
        assert 0 < pdu.length <= self.burst, f"length outside 1..MaxBurstLength: {pdu}"
        assert pdu.offset + pdu.length <= task.edtl, f"beyond the expected length: {pdu}"
        assert pdu.ttt != NONE_TAG
        task.r2ts.append(pdu)
        if self.answer_r2t:
            self.connection.send(*self.data_out(task, pdu.offset, pdu.length, pdu.ttt))

    def _on_response(self, pdu):
        task = self._task(pdu)
        assert pdu.flags & FINAL and pdu.response == 0, f"not completed at target: {pdu}"
        # RFC 7143 11.4.8 counts R2Ts and Data-In, and wants 0 where no Data-In was sent.
        counts = (task.data_sn,) if task.data_sn else (0, len(task.r2ts))
        assert pdu.exp_data_sn in counts, f"ExpDataSN is none of {counts}: {pdu}"
        if pdu.data:
            length = int.from_bytes(pdu.data[:2], "big")
            assert length <= len(pdu.data) - 2, f"SenseLength beyond the data: {pdu}"
            task.sense = pdu.data[2:2 + length]
        self._finish(task, pdu)

    def _finish(self, task, pdu):
        self.count_status(pdu)
        task.status, task.done = pdu.status, True
        task.residual_flags = pdu.flags & (OVERFLOW | UNDERFLOW)
        task.residual = pdu.residual if task.residual_flags else 0
        assert (task.status == CHECK_CONDITION) == bool(task.sense), f"sense without cause: {pdu}"
        if task.status == GOOD and not task.data_out and task.edtl:
            missing = task.edtl - len(task.data_in)
            under = task.residual if task.residual_flags & UNDERFLOW else 0
            assert missing == under, f"{missing} bytes short, residual {under}: {pdu}"
        del self.tasks[task.itt]

    # Whole exchanges

    def wait(self, *tasks, deadline=DEADLINE):
        while not all(task.done for task in tasks):
            self.pump(deadline)
        return tasks[0]

    def stay_alive_until(self, happened, deadline=DEADLINE):
        """Answers pings until happened() is true."""
        until = time.monotonic() + deadline
        while not happened():
            assert time.monotonic() < until, "it did not happen before the deadline"
            with contextlib.suppress(Silence):
                self.pump(0.05)

    def command(self, cdb, **how):
        return self.wait(self.start(cdb, **how))

    def wait_other(self, opcode, deadline=DEADLINE, **fields):
        """The next PDU of this opcode that is not part of a command, in arrival order."""
        while True:
            for pdu in self.others:
                if pdu.opcode == opcode and all(pdu.get(k) == v for k, v in fields.items()):
                    self.others.remove(pdu)
                    return pdu
            self.pump(deadline)

    def clear_attention(self):
        """TEST UNIT READY until no unit attention is pending (at most 8)."""
        for _ in range(8):
            task = self.command(TEST_UNIT_READY)
            if task.status == GOOD:
                return self
            assert task.code >> 16 == 6, f"not a unit attention: {task.code:06x}"
        raise AssertionError("unit attentions without end")

    def nop(self, data=b"", immediate=False, **fields):
        itt = next(self.tags)
        pdu = Pdu(NOP_OUT, immediate=immediate, flags=FINAL, itt=itt, ttt=NONE_TAG, data=data,
                  **self.numbers(immediate))
        for name, value in fields.items():
            pdu.set(name, value)
        self.connection.send(pdu)
        return self.wait_other(NOP_IN, itt=itt)

    def text_request(self, keys, *, final=True, more=False, ttt=NONE_TAG, itt=None):
        data = keys if isinstance(keys, bytes) else text(keys)
        itt = next(self.tags) if itt is None else itt
        flags = (FINAL if final else 0) | (0x40 if more else 0)
        self.connection.send(Pdu(TEXT_REQUEST, flags=flags, itt=itt, ttt=ttt, data=data,
                                 **self.numbers()))
        return self.wait_other(TEXT_RESPONSE, itt=itt)

    def send_targets(self, which="All"):
        """The answer's (key, value) pairs; a long answer is fetched to its end."""
        pdu = self.text_request({"SendTargets": which})
        data = pdu.data
        while not pdu.flags & FINAL or pdu.flags & 0x40:
            pdu = self.text_request(b"", ttt=pdu.ttt, itt=pdu.itt)
            data += pdu.data
        pdu.data = data
        return pdu.keys

    def manage(self, function, *, lun=0, ref_itt=NONE_TAG, immediate=True, **fields):
        """A task management function; gives the response code."""
        itt = self.start_manage(function, lun=lun, ref_itt=ref_itt, immediate=immediate, **fields)
        return self.wait_other(TMF_RESPONSE, itt=itt).response

    def start_manage(self, function, *, lun=0, ref_itt=NONE_TAG, immediate=True, **fields):
        itt = next(self.tags)
        self.connection.send(Pdu(TMF_REQUEST, immediate=immediate, flags=FINAL | function,
                                 lun=lun << 48, itt=itt, ref_itt=ref_itt,
                                 **(self.numbers(immediate) | fields)))
        return itt

    def log_out(self, reason=0, cid=None):
        """A Logout Request; gives the response. The target closes after a success."""
        itt = next(self.tags)
        self.connection.send(Pdu(LOGOUT_REQUEST, immediate=True, flags=FINAL | reason, itt=itt,
                                 cid=self.cid if cid is None else cid, **self.numbers(True)))
        return self.wait_other(LOGOUT_RESPONSE, itt=itt)

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def log_in(address, port=3260, target=None, *, name=HOST, keys=None,
           offer=None, chap=None, stages=(0, 1, 3), ready=True, **connect):
    """A session in full feature phase. `offer` changes single keys of the default offer."""
    if keys is None:
        keys = OFFER if target else {"MaxRecvDataSegmentLength": "65536"}
        keys = {key: value for key, value in (keys | (offer or {})).items() if value is not None}
    login = Login(address, port, **connect)
    try:
        last = run_login(login, name=name, target=target, keys=keys, chap=chap, stages=stages)
    except BaseException:
        login.close()
        raise
    session = Session(login, last, keys if 1 in stages else {})
    assert session.tsih, "the final answer carries a TSIH"
    if target and ready:
        session.clear_attention()
    return session
