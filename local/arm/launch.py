"""Start the emulator as a process of its own and stop it: for the runner, and for tests of any part."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

CHECKOUT: Final = Path(__file__).resolve().parents[2]
_STOP_SECONDS: Final = 20.0


class ArmDidNotStart(Exception):
    """The emulator ended or did not answer in time. The text holds the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningArm:
    """A running emulator. Its fields are those of `arm.json`. Use it in a `with`, or call `stop`."""

    pid: int
    arm: str
    authority: str
    vault: str
    identity_endpoint: str
    identity_header: str
    proxy: str
    ca_file: Path
    control: str
    control_secret: str = field(repr=False)
    subscription_id: str
    tenant_id: str
    location: str
    packer: str
    guest_port: int
    workload_url: str
    log: Path
    child: subprocess.Popen[bytes]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Make a control call, such as `ask("GET", "state")`. Returns its JSON. Raises ValueError if it fails."""
        address = urlsplit(self.control)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        try:
            text = None if body is None else json.dumps(body)
            headers = {"Content-Type": "application/json", "X-Control-Secret": self.control_secret}
            connection.request(method, f"{address.path}/{path}", text, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise ValueError(f"{method} {path}: {answer.status} {content.decode('utf-8', 'replace')}")
        return json.loads(content) if content else None

    def token(
        self,
        subject: str,
        audience: str,
        *,
        roles: Sequence[str] = (),
        groups: Sequence[str] = (),
        seconds: int = 3600,
    ) -> str:
        """A person's access token for our API."""
        wanted = {"subject": subject, "audience": audience, "roles": list(roles), "groups": list(groups)}
        return str(self.ask("POST", "tokens", {**wanted, "seconds": seconds})["access_token"])

    def stop(self) -> None:
        """End the emulator and every container. Safe to repeat."""
        if self.child.stdin is not None:
            self.child.stdin.close()
        if self.child.poll() is None:
            self.child.terminate()
        try:
            self.child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    folder: Path,
    *,
    ca_folder: Path | None = None,
    resource_groups: Sequence[str] = (),
    galleries: Sequence[str] = (),
    live_galleries: Sequence[str] = (),
    builder_client_id: str = "",
    identities: Mapping[str, str] | None = None,
    replication_seconds: float = 0.5,
    scenario: Path | None = None,
    options: Sequence[str] = (),
    start_seconds: float = 30.0,
) -> RunningArm:
    """Start the emulator in `folder` and wait until it answers. It ends with this process at the latest.

    `galleries` are `RESOURCE_GROUP/NAME`; `options` are further words of the command line (see `--help`).
    """
    words = [f"--folder={folder}", f"--replication-seconds={replication_seconds}", "--with-parent"]
    words += [f"--resource-group={each}" for each in resource_groups]
    words += [f"--gallery={each}" for each in galleries]
    words += [f"--live-gallery={each}" for each in live_galleries]
    words += [f"--identity={key}={client}" for key, client in (identities or {}).items()]
    words += [f"--builder-client-id={builder_client_id}"] if builder_client_id else []
    words += [f"--ca-folder={ca_folder}"] if ca_folder else []
    words += [f"--scenario={scenario}"] if scenario else []
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    announced, log = folder / "arm.json", folder / "arm.log"
    announced.unlink(missing_ok=True)
    with log.open("wb") as stream:
        child = subprocess.Popen(
            [sys.executable, "-m", "local.arm", *words, *options],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,  # closed at our end, whatever ends us
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return _wait(child, announced, log, start_seconds)


def _wait(child: subprocess.Popen[bytes], announced: Path, log: Path, seconds: float) -> RunningArm:
    end = time.monotonic() + seconds
    while not announced.exists():
        if child.poll() is not None or time.monotonic() > end:
            child.kill()
            child.wait()
            if child.stdin is not None:
                child.stdin.close()
            tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise ArmDidNotStart(
                f"the ARM emulator did not start within {seconds:g} s; its log ends:\n{tail}"
            )
        time.sleep(0.02)
    facts = json.loads(announced.read_text(encoding="utf-8"))
    return RunningArm(**{**facts, "ca_file": Path(facts["ca_file"])}, log=log, child=child)
