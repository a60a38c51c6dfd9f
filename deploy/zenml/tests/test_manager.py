"""The plug-in against a daemon that is played by an HTTP server on loopback."""

import enum
import json
import os
import sys
import tempfile
import threading
import unittest
import uuid
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

import epilogue_zenml.manager as manager
from epilogue_zenml import Client, EpilogueError, EpilogueWorkloadManager

WORKLOAD = uuid.UUID("6f1c0e0a-5a4e-4d0b-9f39-0d1f2c3b4a59")


class WorkloadType(str, enum.Enum):
    RUN = "run"
    SNAPSHOT = "snapshot"


class Interface(ABC):
    """The five methods as ZenML documents them."""

    @abstractmethod
    def run(self, workload_id, image, command, arguments, environment=None, sync=True, timeout_in_seconds=0): ...

    @abstractmethod
    def build_and_push_image(self, workload_id, workload_type, dockerfile, image_name, sync=True, timeout_in_seconds=0): ...

    @abstractmethod
    def delete_workload(self, workload_id): ...

    @abstractmethod
    def get_logs(self, workload_id): ...

    @abstractmethod
    def log(self, workload_id, message): ...


class Daemon(ThreadingHTTPServer):
    """Answers from a list: (status, headers, document), or "drop" to break the connection. It keeps what was asked."""

    daemon_threads = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked = list(answers), []
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, json.loads(body) if body else None, self.headers.get("Authorization")))
        answer = self.server.answers.pop(0)
        if answer == "drop":
            self.close_connection = True
            return
        status, headers, document = answer
        text = document if isinstance(document, str) else json.dumps(document)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *args):
        pass


class ManagerTest(unittest.TestCase):
    def serve(self, *answers):
        daemon = Daemon(*answers)
        self.addCleanup(daemon.close)
        token = tempfile.NamedTemporaryFile("w", delete=False)
        self.addCleanup(os.remove, token.name)
        with token:
            token.write("t0ken\n")
        environment = {
            "EPILOGUE_URL": "http://127.0.0.1:%d/" % daemon.server_port,
            "EPILOGUE_TOKEN_FILE": token.name,
            "ZENML_KUBERNETES_WORKLOAD_MANAGER_NAMESPACE": "jobs",
        }
        patch = mock.patch.dict(os.environ, environment)
        patch.start()
        self.addCleanup(patch.stop)
        self.waits = []
        self.manager = EpilogueWorkloadManager()
        self.manager.client.sleep = self.waits.append
        return daemon

    def test_run_waits_until_the_job_has_succeeded(self):
        daemon = self.serve(
            (201, {}, {"name": "runner-1", "image": "i"}),
            (200, {}, {"state": "queued"}),
            (200, {}, {"state": "running"}),
            (200, {}, {"state": "succeeded"}),
        )
        self.assertIsNone(
            self.manager.run(
                workload_id=WORKLOAD, image="i", command=["python"], arguments=["--run_id", "x"],
                environment={"TOKEN": "s3cr3t"}, timeout_in_seconds=180,
            )
        )
        method, path, body, token = daemon.asked[0]
        self.assertEqual((method, token), ("POST", "Bearer t0ken"))
        self.assertEqual(path, "/api/v1/namespaces/jobs/workloads/%s/runs" % WORKLOAD)
        request_id = body.pop("request_id")
        self.assertEqual(str(uuid.UUID(request_id)), request_id)
        self.assertEqual(
            body,
            {"image": "i", "command": ["python"], "arguments": ["--run_id", "x"], "environment": {"TOKEN": "s3cr3t"}, "timeout_in_seconds": 180},
        )
        for method, path, body, _ in daemon.asked[1:]:
            self.assertEqual((method, path), ("GET", "/api/v1/namespaces/jobs/workloads/%s/jobs/runner-1?wait=25s" % WORKLOAD))
            self.assertIsNone(body)

    def test_run_without_sync_returns_at_once(self):
        daemon = self.serve((201, {}, {"name": "runner-1"}))
        self.manager.run(WORKLOAD, "i", ["c"], [], None, False, 0)
        self.assertEqual(len(daemon.asked), 1)

    def test_a_run_that_fails_raises(self):
        for state in ("failed", "cancelled"):
            self.serve((201, {}, {"name": "runner-1"}), (200, {}, {"state": state, "reason": "exit code 3"}))
            with self.assertRaisesRegex(EpilogueError, "runner-1 %s: exit code 3" % state):
                self.manager.run(WORKLOAD, "i", ["c"], [])

    def test_what_the_daemon_refuses_is_raised_in_its_words(self):
        daemon = self.serve((422, {}, {"kind": "Status", "message": "image: value \"\": want an image"}))
        with self.assertRaisesRegex(EpilogueError, "want an image") as raised:
            self.manager.run(WORKLOAD, "", ["c"], [])
        self.assertEqual((raised.exception.code, len(daemon.asked), self.waits), (422, 1, []))

    def test_a_broken_connection_repeats_the_same_request(self):
        daemon = self.serve("drop", (503, {}, {"message": "stops"}), (201, {}, {"name": "runner-1"}))
        self.manager.run(WORKLOAD, "i", ["c"], [], sync=False)
        self.assertEqual(len(daemon.asked), 3)
        self.assertEqual(daemon.asked[0], daemon.asked[2])
        self.assertEqual(len(self.waits), 2)

    def test_a_full_queue_waits_as_it_is_told(self):
        self.serve((429, {"Retry-After": "7"}, {"message": "full"}), (201, {}, {"name": "runner-1"}))
        self.manager.run(WORKLOAD, "i", ["c"], [], sync=False)
        self.assertEqual(self.waits, [7.0])

    def test_patience_ends(self):
        self.serve((429, {"Retry-After": "700"}, {"message": "the queue is full"}))
        with self.assertRaisesRegex(EpilogueError, "the queue is full"):
            self.manager.run(WORKLOAD, "i", ["c"], [], sync=False)

    def test_nobody_there(self):
        daemon = self.serve()
        daemon.close()
        self.manager.client.patience = 0.0
        with self.assertRaisesRegex(EpilogueError, "POST http://127.0.0.1"):
            self.manager.run(WORKLOAD, "i", ["c"], [], sync=False)

    def test_build_by_both_interfaces(self):
        calls = [
            dict(args=(), kwargs=dict(workload_type=WorkloadType.SNAPSHOT, dockerfile="FROM a", image_name="r:1", sync=True)),
            dict(args=(WorkloadType.SNAPSHOT, "FROM a", "r:1", True, 60), kwargs={}),
            dict(args=("FROM a", "r:1", True, 60), kwargs={}),
            dict(args=("FROM a",), kwargs=dict(image_name="r:1")),
            dict(args=(), kwargs=dict(dockerfile="FROM a", image_name="r:1", a_later_argument=1)),
        ]
        for call in calls:
            daemon = self.serve((201, {}, {"name": "builder-1", "image": "host/r:1"}), (200, {}, {"state": "succeeded"}))
            self.assertEqual(self.manager.build_and_push_image(WORKLOAD, *call["args"], **call["kwargs"]), "host/r:1")
            body = daemon.asked[0][2]
            self.assertEqual((body["dockerfile"], body["image_name"]), ("FROM a", "r:1"))
            self.assertIn(body["workload_type"], (None, "snapshot"))
            self.assertEqual(len(daemon.asked), 2)
        with self.assertRaises(TypeError):
            self.manager.build_and_push_image(WORKLOAD, "FROM a")

    def test_build_of_an_image_that_is_there(self):
        daemon = self.serve((200, {}, {"image": "host/r:1"}))
        self.assertEqual(self.manager.build_and_push_image(WORKLOAD, "FROM a", "r:1"), "host/r:1")
        self.assertEqual(len(daemon.asked), 1)

    def test_a_build_that_fails_raises(self):
        self.serve((201, {}, {"name": "builder-1", "image": "host/r:1"}), (200, {}, {"state": "failed", "reason": "no space"}))
        with self.assertRaisesRegex(EpilogueError, "no space"):
            self.manager.build_and_push_image(WORKLOAD, "FROM a", "r:1")

    def test_logs_messages_and_deletion(self):
        daemon = self.serve((200, {}, '{"message": "a", "level": 20}\n'), (201, {}, {}), (200, {}, {}), (404, {}, {"message": "no such Job"}))
        self.assertEqual(self.manager.get_logs(WORKLOAD), '{"message": "a", "level": 20}\n')
        self.manager.log(WORKLOAD, "Starting pipeline run.")
        self.manager.delete_workload(WORKLOAD)
        self.manager.delete_workload(WORKLOAD)
        self.assertEqual(daemon.asked[0][:2], ("GET", "/api/v1/workloads/%s/log?format=zenml&namespace=jobs" % WORKLOAD))
        self.assertEqual(daemon.asked[1][2]["message"], "Starting pipeline run.")
        self.assertTrue(daemon.asked[1][2]["time"].endswith("+00:00"))
        self.assertEqual(daemon.asked[2][:2], ("DELETE", "/api/v1/namespaces/jobs/workloads/%s" % WORKLOAD))

    def test_a_wrong_setting_is_told_at_the_first_use(self):
        with mock.patch.dict(os.environ, {"EPILOGUE_URL": ""}):
            made = EpilogueWorkloadManager()
            with self.assertRaisesRegex(EpilogueError, "EPILOGUE_URL is '', want the URL"):
                made.get_logs(WORKLOAD)

    def test_it_implements_the_interface_of_a_server(self):
        """As ZenML loads it: by its dotted path, checked against the abstract class, made without arguments."""
        name = "zenml.zen_server.pipeline_execution.workload_manager_interface"
        modules = {part: mock.MagicMock() for part in ("zenml", "zenml.zen_server", "zenml.zen_server.pipeline_execution")}
        modules[name] = mock.MagicMock(WorkloadManagerInterface=Interface)
        with mock.patch.dict(sys.modules, modules):
            import importlib

            loaded = importlib.reload(manager).EpilogueWorkloadManager
        self.addCleanup(importlib.reload, manager)
        self.assertTrue(issubclass(loaded, Interface))
        self.assertIsInstance(loaded(), Interface)


class ClientTest(unittest.TestCase):
    def test_namespace_is_needed(self):
        with mock.patch.dict(os.environ, {}, clear=True):
            with self.assertRaisesRegex(EpilogueError, "ZENML_KUBERNETES_WORKLOAD_MANAGER_NAMESPACE is not set"):
                Client(url="https://epilogue:8443")


if __name__ == "__main__":
    unittest.main()
