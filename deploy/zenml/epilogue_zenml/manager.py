"""ZenML's workload manager, by way of Epilogue."""

import json
import uuid
from datetime import datetime, timezone
from urllib.parse import quote

from .client import Client, EpilogueError

try:  # in a ZenML server
    from zenml.zen_server.pipeline_execution.workload_manager_interface import WorkloadManagerInterface
except ImportError:  # in a test, or beside another version
    WorkloadManagerInterface = object

# How long one request waits for a Job, in seconds: shorter than what proxies give a silent connection.
WAIT = 25


class EpilogueWorkloadManager(WorkloadManagerInterface):
    """Runs and builds through the Epilogue daemon. ZenML makes one, without arguments; the settings are environment
    variables, see Client. Takes what both versions of ZenML's interface pass: workload_type and whatever comes later are
    keywords that may be missing."""

    def __init__(self):
        super().__init__()
        self._client = None

    @property
    def client(self):
        """Made at the first use: ZenML swallows errors of a constructor, and shows those of a method."""
        if self._client is None:
            self._client = Client()
        return self._client

    def run(self, workload_id, image, command, arguments, environment=None, sync=True, timeout_in_seconds=0, **kwargs):
        """Runs a container, and raises unless it succeeds (sync) or is queued (not sync)."""
        body = {
            "image": image,
            "command": list(command or []),
            "arguments": list(arguments or []),
            "environment": {str(k): str(v) for k, v in (environment or {}).items()},
            "timeout_in_seconds": int(timeout_in_seconds or 0),
            "request_id": str(uuid.uuid4()),  # one for each call: a call that is repeated below is the same request
        }
        job = self._post(workload_id, "/runs", body)
        if sync:
            self._finish(workload_id, job)

    def build_and_push_image(self, workload_id, *args, **kwargs):
        """Builds an image unless it is there, and gives its full name, with the registry.

        Newer versions of ZenML pass (workload_id, workload_type, dockerfile, image_name, sync, timeout_in_seconds), older ones
        leave workload_type out."""
        given = _bind(args, kwargs)
        workload_type = given.get("workload_type")
        body = {
            "workload_type": None if workload_type is None else str(getattr(workload_type, "value", workload_type)),
            "dockerfile": given["dockerfile"],
            "image_name": given["image_name"],
            "timeout_in_seconds": int(given.get("timeout_in_seconds") or 0),
            "request_id": str(uuid.uuid4()),
        }
        job = self._post(workload_id, "/builds", body)
        if given.get("sync", True) and job.get("name"):
            self._finish(workload_id, job)
        return job["image"]

    def delete_workload(self, workload_id, **kwargs):
        """Ends what runs and takes out what waits. Logs stay in the archive. What is gone already is no error."""
        try:
            self.client.request("DELETE", _path(workload_id, ""))
        except EpilogueError as error:
            if error.code != 404:
                raise

    def get_logs(self, workload_id, **kwargs):
        """Gives the workload's log as LogEntry lines, oldest first, never an empty text."""
        # Of the runners' namespace alone: what Jobs elsewhere carry the same id is not this workload's.
        query = "/log?format=zenml&namespace=" + quote(self.client.namespace, safe="")
        return self.client.request("GET", _path(workload_id, query), timeout=300.0, everywhere=True)

    def log(self, workload_id, message, **kwargs):
        """Adds a line to the workload's log."""
        body = {"message": str(message), "time": datetime.now(timezone.utc).isoformat()}
        self.client.request("POST", _path(workload_id, "/messages"), body)

    def _post(self, workload_id, path, body):
        return json.loads(self.client.request("POST", _path(workload_id, path), body))

    def _finish(self, workload_id, job):
        """Waits until the Job has ended. Each request is answered when it does, or after a while with where it stands."""
        path = _path(workload_id, "/jobs/%s?wait=%ds" % (quote(job["name"], safe=""), WAIT))
        while True:
            status = json.loads(self.client.request("GET", path, timeout=WAIT + 60.0))
            state = status.get("state")
            if state == "succeeded":
                return
            if state in ("failed", "cancelled"):
                raise EpilogueError("Job %s %s: %s" % (job["name"], state, status.get("reason") or "no reason is known"))


_NEWER = ("workload_type", "dockerfile", "image_name", "sync", "timeout_in_seconds")


def _bind(args, kwargs):
    """Names the arguments of build_and_push_image by the interface that they fit."""
    for names in (_NEWER, _NEWER[1:]):
        given = dict(zip(names, args), **kwargs)
        if isinstance(given.get("dockerfile"), str) and isinstance(given.get("image_name"), str):
            return given
    raise TypeError("build_and_push_image: want dockerfile and image_name, both texts")


def _path(workload_id, rest):
    return "/workloads/%s%s" % (quote(str(workload_id), safe=""), rest)
