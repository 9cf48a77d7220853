"""Headless Chromium over its own DevTools protocol: as much as the tests of pages need."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import websocket

PATIENCE = 60.0
POLL = 0.05
BINARIES = ("chromium", "chromium-browser", "google-chrome")


class Browser:
    """One window with one page.

    Args:
        profile: An empty folder for what the browser keeps.
    """

    def __init__(self, profile: Path) -> None:
        binary = next(found for name in BINARIES if (found := shutil.which(name)))
        options = (
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1500,1100"),
            "--disable-features=IsolateSandboxedIframes",  # frames stay where one connection reaches them
            "--remote-debugging-port=0",
        )
        self._process = subprocess.Popen(
            [binary, *options, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        address = profile / "DevToolsActivePort"
        _until(lambda: address.is_file() and address.read_text().count("\n") > 0)
        port = address.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=PATIENCE) as answer:
            (page,) = [target for target in json.load(answer) if target["type"] == "page"]
        self._socket = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=PATIENCE, suppress_origin=True)
        self._sent = 0
        self._events: list[dict[str, Any]] = []
        for domain in ("Page", "Log", "Runtime", "Network"):
            self._call(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Go to a page; what the one before said and loaded is forgotten."""
        self._events.clear()
        self._call("Page.navigate", url=url)

    def complaints(self) -> list[str]:
        """What the console says of the page: errors, warnings, and what its policy forbade; not what was refused."""
        said = [each["params"]["entry"] for each in self._events if each["method"] == "Log.entryAdded"]
        found = [entry["text"] for entry in said if entry["source"] != "network"]
        found += [str(each["params"]) for each in self._events if each["method"] == "Runtime.exceptionThrown"]
        return found + [str(each["params"]) for each in self._events if each["method"] == "Runtime.consoleAPICalled"]

    def requests(self) -> list[str]:
        """Every address that the page has asked."""
        sent = [each["params"]["request"] for each in self._events if each["method"] == "Network.requestWillBeSent"]
        return [str(request["url"]) for request in sent]

    def text(self) -> str:
        """What the page says, without what its frames say."""
        return str(self._evaluate("document.body ? document.body.innerText : ''"))

    def frame_text(self) -> str:
        """What the page's first frame says; nothing while it has none."""
        frames = self._call("Page.getFrameTree")["frameTree"].get("childFrames", [])
        if not frames:
            return ""
        world = self._call("Page.createIsolatedWorld", frameId=frames[0]["frame"]["id"])["executionContextId"]
        return str(self._evaluate("document.body ? document.body.innerText : ''", contextId=world))

    def wait_for(self, *texts: str) -> None:
        """Return once the page says all of these."""
        _until(lambda: all(text in self.text() for text in texts), self.text)

    def wait_until(self, expression: str) -> None:
        """Return once a JavaScript expression holds on the page."""
        _until(lambda: bool(self._evaluate(expression)), lambda: f"{expression}: {self.text()}")

    def wait_for_frame(self, *texts: str) -> None:
        """Return once the page's first frame says all of these."""
        _until(lambda: all(text in self.frame_text() for text in texts), self.frame_text)

    def click(self, label: str) -> None:
        """Click the last element whose whole text is `label`, once there is one."""
        _until(lambda: bool(self._evaluate(CLICK % json.dumps(label))), self.text)

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write what the window shows, or the whole page."""
        path.parent.mkdir(parents=True, exist_ok=True)
        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def window(self, width: int, height: int, *, phone: bool = False, scheme: str = "light") -> None:
        """Be a screen of this size and colour scheme, with motion reduced so that nothing is shown half way."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self._call("Emulation.setEmulatedMedia", features=features)

    def press(self, key: str, code: int = 0) -> None:
        """Press and release a key; `code` is the one of keys that write nothing, such as 9 for Tab."""
        named: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        text = {"text": "\r"} if key == "Enter" else {}
        self._call("Input.dispatchKeyEvent", type="keyDown", **named, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", **named)

    def write(self, text: str) -> None:
        """Type text, a key for each character, into what has the focus."""
        for character in text:
            self._call("Input.dispatchKeyEvent", type="char", text=character)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives on the page."""
        return self._evaluate(expression)

    def close(self) -> None:
        """End the browser."""
        self._socket.close()
        self._process.terminate()
        self._process.wait(PATIENCE)

    def _evaluate(self, expression: str, **where: int) -> Any:
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, **where)
        return answer["result"].get("value")

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._sent += 1
        self._socket.send(json.dumps({"id": self._sent, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != self._sent:
            self._events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result


CLICK = """(() => {
  const found = [...document.querySelectorAll("*")]
    .filter(each => each.childElementCount === 0 && each.textContent.trim() === %s).pop();
  for (const event of found ? ["pointerdown", "mousedown", "pointerup", "mouseup", "click"] : [])
    found.dispatchEvent(new MouseEvent(event, {bubbles: true, cancelable: true}));
  return Boolean(found);
})()"""


def _until(holds: Any, shown: Any = lambda: "") -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, shown()
        time.sleep(POLL)
