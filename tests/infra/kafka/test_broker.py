"""Kafka on one machine: it starts, keeps what it has, and does not outlive us."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from infra.kafka.broker import KafkaBrokerError, LocalKafka, answers
from infra.kafka.client import Cluster, shortest_silence_ms
from tests.folders import reachable_folder

RUN = """
import sys, time
from pathlib import Path
from infra.kafka.broker import LocalKafka
with LocalKafka(Path(sys.argv[1])) as kafka:
    print(kafka.servers, kafka.process_id, flush=True)
    time.sleep(600)
"""


def test_it_keeps_its_port_and_its_topics_and_dies_with_whoever_started_it() -> None:
    home = reachable_folder() / "kafka"
    with LocalKafka(home) as kafka:
        first = kafka.servers
        with Cluster(servers=first).admin() as admin:
            admin.create_topics({"ships": {"num_partitions": 2}})
        assert shortest_silence_ms(Cluster(servers=first)) == 3_000
        with pytest.raises(KafkaBrokerError, match="Another Kafka already runs"):
            LocalKafka(home).start()
    assert not answers(first)

    starter = subprocess.Popen([sys.executable, "-c", RUN, str(home)], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    servers, pid = starter.stdout.readline().split()
    assert servers == first
    with Cluster(servers=servers).admin() as admin:
        assert "ships" in admin.list_topics()
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    deadline = time.monotonic() + 30
    while runs(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not runs(int(pid))


def runs(pid: int) -> bool:
    """Is there such a process, and not only what is left of it until somebody takes note of its end?"""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_without_java_one_sentence_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(KafkaBrokerError, match=r"Kafka needs Java 17 or later.*install default-jre-headless and maven"):
        LocalKafka(Path("/nowhere")).start()
