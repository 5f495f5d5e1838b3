"""The files of an emulated machine over SCP and SFTP, in memory. No path ever reaches the disk of this machine.

Each operation of the library's server that could reach the disk is replaced here. An operation that is not emulated
is refused.
"""

import posixpath
import stat
from collections.abc import AsyncIterator, Callable
from typing import Final, NoReturn

import asyncssh

from local.guest.guests import DiskFull, Guest

_FOLDER: Final = stat.S_IFDIR | 0o755
_FILE: Final = stat.S_IFREG | 0o644


class _Opened:
    """One open file."""

    def __init__(self, path: str, content: bytes, *, is_writing: bool) -> None:
        self.path = path
        self.content = bytearray(content)
        self.is_writing = is_writing


class MemoryFiles(asyncssh.SFTPServer):
    """One session of SCP or SFTP, on the machine that belongs to the connection's key."""

    def __init__(self, chan: "asyncssh.SSHServerChannel[bytes]") -> None:
        super().__init__(chan)
        guest = chan.get_connection().get_extra_info("guest")
        if not isinstance(guest, Guest):
            raise asyncssh.SFTPPermissionDenied("no user is signed in")
        self._guest = guest
        self._way = "scp" if (chan.get_command() or "").startswith("scp ") else "sftp"

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """As SFTPServer."""
        place = self._place(path)
        if not pflags & asyncssh.FXF_WRITE:
            content = self._guest.read(place)
            if content is None:
                raise asyncssh.SFTPNoSuchFile(f"{place}: No such file or directory")
            self._guest.recording.download(place, content, way=self._way)
            return _Opened(place, content, is_writing=False)
        self._demand_writable(place)
        kept = b"" if pflags & asyncssh.FXF_TRUNC else self._guest.files.get(place, b"")
        return _Opened(place, kept, is_writing=True)

    def open56(self, path: bytes, desired_access: int, flags: int, attrs: asyncssh.SFTPAttrs) -> object:
        """Protocol versions 5 and 6 are not spoken."""
        return self._refuse("open56")

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        """As SFTPServer."""
        return bytes(_opened(file_obj).content[offset : offset + size])

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """As SFTPServer. The content stays in memory until the file is closed."""
        opened = _opened(file_obj)
        if not opened.is_writing:
            raise asyncssh.SFTPPermissionDenied(f"{opened.path} is open for reading")
        if offset > len(opened.content):
            raise asyncssh.SFTPFailure(f"{opened.path}: a file with a hole is not emulated")
        opened.content[offset : offset + len(data)] = data
        self._bounded(lambda: self._guest.demand_room(opened.path, len(opened.content)))
        return len(data)

    def close(self, file_obj: object) -> None:
        """As SFTPServer. A complete upload is recorded here."""
        opened = _opened(file_obj)
        if opened.is_writing:
            content = bytes(opened.content)
            self._bounded(lambda: self._guest.write(opened.path, content))
            self._guest.recording.upload(opened.path, content, way=self._way)

    def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        """As SFTPServer."""
        place = self._place(path)
        if self._guest.is_folder(place):
            return asyncssh.SFTPAttrs(permissions=_FOLDER, size=4096, type=asyncssh.FILEXFER_TYPE_DIRECTORY)
        content = self._guest.read(place)
        if content is None:
            raise asyncssh.SFTPNoSuchFile(f"{place}: No such file or directory")
        return asyncssh.SFTPAttrs(permissions=_FILE, size=len(content), type=asyncssh.FILEXFER_TYPE_REGULAR)

    def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
        """As SFTPServer. There are no links."""
        return self.stat(path)

    def fstat(self, file_obj: object) -> asyncssh.SFTPAttrs:
        """As SFTPServer."""
        size = len(_opened(file_obj).content)
        return asyncssh.SFTPAttrs(permissions=_FILE, size=size, type=asyncssh.FILEXFER_TYPE_REGULAR)

    def realpath(self, path: bytes) -> bytes:
        """As SFTPServer."""
        return self._place(path).encode()

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """As SFTPServer."""
        place = self._place(path)
        self._demand_writable(place)
        self._guest.folders.add(place)

    def remove(self, path: bytes) -> None:
        """As SFTPServer."""
        place = self._place(path)
        if self._guest.files.pop(place, None) is None:
            raise asyncssh.SFTPNoSuchFile(f"{place}: No such file or directory")

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Modes and times are not kept."""

    def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        """Modes and times are not kept."""

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        """Modes and times are not kept."""

    def fsync(self, file_obj: object) -> None:
        """Nothing is on a disk."""

    def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """Not emulated."""
        return self._refuse("scandir")

    def rmdir(self, path: bytes) -> None:
        """Not emulated."""
        self._refuse("rmdir")

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Not emulated."""
        self._refuse("rename")

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Not emulated."""
        self._refuse("posix_rename")

    def readlink(self, path: bytes) -> bytes:
        """Not emulated."""
        return self._refuse("readlink")

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        """Not emulated."""
        self._refuse("symlink")

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        """Not emulated."""
        self._refuse("link")

    def lock(self, file_obj: object, offset: int, length: int, flags: int) -> None:
        """Not emulated."""
        self._refuse("lock")

    def unlock(self, file_obj: object, offset: int, length: int) -> None:
        """Not emulated."""
        self._refuse("unlock")

    def statvfs(self, path: bytes) -> asyncssh.SFTPVFSAttrs:
        """Not emulated."""
        return self._refuse("statvfs")

    def fstatvfs(self, file_obj: object) -> asyncssh.SFTPVFSAttrs:
        """Not emulated."""
        return self._refuse("fstatvfs")

    def map_path(self, path: bytes) -> bytes:
        """Refused. A path is a path of the emulated machine, never of this one."""
        return self._refuse("map_path")

    def reverse_map_path(self, path: bytes) -> bytes:
        """Refused. A path is a path of the emulated machine, never of this one."""
        return self._refuse("reverse_map_path")

    def format_user(self, uid: int | None) -> str:
        """The emulated user, never one of this machine."""
        return self._guest.user

    def format_group(self, gid: int | None) -> str:
        """The emulated user, also as the group."""
        return self._guest.user

    def _bounded(self, change: Callable[[], None]) -> None:
        try:
            change()
        except DiskFull as error:
            self._guest.recording.refused(str(error))
            raise asyncssh.SFTPFailure(str(error)) from error

    def _demand_writable(self, place: str) -> None:
        if not self._guest.may_write(place):
            self._guest.recording.refused(f"write {place}")
            there = self._guest.is_folder(posixpath.dirname(place))
            reason = "Permission denied" if there else "No such file or directory"
            raise asyncssh.SFTPPermissionDenied(f"{place}: {reason}")

    def _place(self, path: bytes) -> str:
        return self._guest.place(path.decode("utf-8", "replace"))

    def _refuse(self, what: str) -> NoReturn:
        self._guest.recording.refused(f"sftp: {what}")
        raise asyncssh.SFTPOpUnsupported(f"{what} is not emulated")


def _opened(file_obj: object) -> _Opened:
    if not isinstance(file_obj, _Opened):
        raise asyncssh.SFTPFailure("this is not an open file")
    return file_obj
