"""Requests to the daemon's API, with the standard library alone: it shares ZenML's interpreter, and must not quarrel with
any of its packages over versions."""

import http.client
import json
import os
import random
import ssl
import time
import urllib.error
import urllib.request

TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"
NAMESPACE_VARIABLE = "ZENML_KUBERNETES_WORKLOAD_MANAGER_NAMESPACE"

# Answers that mean "not now": the daemon restarts, the store is in trouble, the queue is full.
AGAIN = (429, 502, 503, 504)


class EpilogueError(RuntimeError):
    """What the daemon refused or could not do, in its own words."""

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code


class Client:
    """One daemon, one namespace.

    url: of the daemon's API, such as https://epilogue.zenml.svc:8443; EPILOGUE_URL where it is None.
    namespace: of the runners; ZENML_KUBERNETES_WORKLOAD_MANAGER_NAMESPACE where it is None.
    patience: seconds for which a request is repeated while the daemon does not answer, or is busy; EPILOGUE_PATIENCE, 600.
    """

    def __init__(self, url=None, namespace=None, patience=None, sleep=time.sleep):
        self.url = (url or os.environ.get("EPILOGUE_URL", "")).rstrip("/")
        self.namespace = namespace or os.environ.get(NAMESPACE_VARIABLE, "")
        self.patience = float(os.environ.get("EPILOGUE_PATIENCE", "600") if patience is None else patience)
        self.token_file = os.environ.get("EPILOGUE_TOKEN_FILE", TOKEN_FILE)
        self.sleep = sleep
        if not self.url.startswith(("http://", "https://")):
            raise EpilogueError("EPILOGUE_URL is %r, want the URL of the daemon's API, such as https://epilogue:8443" % self.url)
        if not self.namespace:
            raise EpilogueError("%s is not set, want the namespace of the runners" % NAMESPACE_VARIABLE)
        self.tls = ssl.create_default_context(cafile=os.environ.get("EPILOGUE_CA_FILE") or None)

    def request(self, method, path, body=None, timeout=60.0, everywhere=False):
        """Gives the answer's text; everywhere: by a route that has no namespace in it. Repeats the request while the daemon cannot be reached or asks for that: each of them may
        be sent twice, because a repeated request gives the same Job and the same message."""
        url = self.url + "/api/v1" + ("" if everywhere else "/namespaces/" + self.namespace) + path
        deadline = time.monotonic() + self.patience
        pause = 0.5
        while True:
            try:
                return self._once(method, url, body, timeout)
            except urllib.error.HTTPError as error:
                with error:
                    wait = _retry_after(error)
                    text = error.read(1 << 20).decode("utf-8", "replace")
                trouble = EpilogueError(_message(text) or "%s: %s" % (error.code, error.reason), error.code)
                if error.code not in AGAIN:
                    raise trouble from None
            except (OSError, http.client.HTTPException) as error:
                wait, trouble = None, EpilogueError("%s %s: %s" % (method, self.url, error))
            wait = pause * (0.5 + random.random()) if wait is None else wait
            if time.monotonic() + wait > deadline:
                raise trouble
            self.sleep(wait)
            pause = min(pause * 2, 30.0)

    def _once(self, method, url, body, timeout):
        headers = {"Accept": "application/json", "User-Agent": "epilogue-zenml/0.1.0"}
        data = None
        if body is not None:
            data = json.dumps(body).encode("utf-8")
            headers["Content-Type"] = "application/json"
        token = self._token()
        if token:
            headers["Authorization"] = "Bearer " + token
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        context = self.tls if url.startswith("https://") else None
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
            return answer.read().decode("utf-8", "replace")

    def _token(self):
        """Read each time: the kubelet renews the token in the file."""
        try:
            with open(self.token_file, encoding="utf-8") as file:
                return file.read().strip()
        except FileNotFoundError:
            return ""


def _retry_after(error):
    """Seconds that the answer asks to wait, None where it does not."""
    try:
        return max(0.0, float(error.headers.get("Retry-After", "")))
    except ValueError:
        return None


def _message(text):
    """The message of a Kubernetes Status, which is how the daemon says no."""
    try:
        return str(json.loads(text).get("message", ""))
    except (ValueError, AttributeError):
        return text.strip()
