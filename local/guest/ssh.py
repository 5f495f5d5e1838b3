"""The one SSH listener of all emulated machines. The key selects the machine, and an unknown key is refused.

No command of a client is ever run. There is no shell, no forwarding and no agent.
"""

import asyncio
from typing import Final

import asyncssh

from local.guest.files import MemoryFiles
from local.guest.guests import ADDRESS, Guest, Guests
from local.guest.replies import CommandEnd

_LOGIN_SECONDS: Final = 30
_LATE_SECONDS: Final = 0.5  # from the end of a step that restarts the machine until it goes down
_DOWN_SECONDS: Final = 1.0  # how long it is down
_PATIENCE_SECONDS: Final = 0.2  # of a script that meets a machine which has not gone down yet


class _Server(asyncssh.SSHServer):
    """One connection."""

    def __init__(self, guests: Guests) -> None:
        self._guests = guests
        self._connection: asyncssh.SSHServerConnection | None = None
        self._guest: Guest | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def connection_lost(self, exc: Exception | None) -> None:
        if self._guest is not None and self._connection is not None:
            self._guest.closers.discard(self._connection.abort)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return False

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        found = self._guests.find(username, key.export_public_key("openssh").decode())
        if found is None or self._connection is None:
            return False
        # The client asks twice on one connection: it offers the key, then it sends the signature.
        self._guest = found
        found.closers.add(self._connection.abort)
        self._connection.set_extra_info(guest=found)
        return True


async def listen(guests: Guests, port: int = 0) -> asyncssh.SSHAcceptor:
    """Serve on a loopback port (0: a free one) until the acceptor is closed."""
    key = await asyncio.to_thread(asyncssh.generate_private_key, "ssh-ed25519")
    return await asyncssh.listen(
        ADDRESS,
        port,
        server_factory=lambda: _Server(guests),
        server_host_keys=[key],
        process_factory=_serve,
        sftp_factory=MemoryFiles,
        sftp_version=3,
        allow_scp=True,
        allow_pty=True,  # some provisioners ask for it; it changes nothing here
        line_editor=False,
        agent_forwarding=False,
        x11_forwarding=False,
        compression_algs=None,
        encoding=None,
        login_timeout=_LOGIN_SECONDS,
        config=None,
    )


async def _serve(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Answer one command, to its end."""
    guest = process.get_extra_info("guest")
    if not isinstance(guest, Guest) or process.command is None:
        process.stderr.write(b"an emulated machine has no shell; it takes commands\n")
        process.exit(1)
        return
    reply = guest.run(process.command.rstrip("\n"))
    process.stdout.write(reply.output.encode())
    match reply.fate:
        case CommandEnd.ENDS:
            if reply.exit_code and guest.staged.is_going_down:
                await asyncio.sleep(_PATIENCE_SECONDS)
            process.exit(reply.exit_code)
        case CommandEnd.RESTARTS_LATER:
            process.exit(reply.exit_code)
            asyncio.get_running_loop().call_later(_LATE_SECONDS, _restart, guest)
        case CommandEnd.RESTARTS:
            await process.stdout.drain()
            _restart(guest)
        case CommandEnd.DROPS:
            await process.stdout.drain()
            process.channel.get_connection().abort()
        case CommandEnd.HANGS:
            await process.stdout.drain()
            await process.wait_closed()


def _restart(guest: Guest) -> None:
    """The machine goes down, and comes up after a while."""
    guest.go_down()
    asyncio.get_running_loop().call_later(_DOWN_SECONDS, guest.come_up)
