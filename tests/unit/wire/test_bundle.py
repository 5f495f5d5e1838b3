"""Packing: the digest depends on names, contents and execute bits alone, and nothing unexpected gets in."""

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from pipeline_core.wire import bundle
from pipeline_core.wire.problems import InvalidDocument


def folder_with(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def members_of(packed: bundle.PackedBundle) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(packed.content), mode="r:gz") as archive:
        return archive.getmembers()


def refusal_of(folder: Path) -> list[str]:
    with pytest.raises(InvalidDocument) as caught:
        bundle.pack(folder)
    return [str(problem) for problem in caught.value.problems]


def test_the_same_content_has_the_same_digest_wherever_and_whenever_it_is_packed(tmp_path: Path) -> None:
    files = {"b/two.sh": "2", "a.txt": "1", "image.yaml": "x", "é" * 60 + "/" + "n" * 90: "long"}
    first = folder_with(tmp_path / "one", files)
    second = folder_with(tmp_path / "two", dict(reversed(files.items())))
    for path in second.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() else 0o640)
    (second / "image.yaml").write_text("another document, same bundle")
    packed, again = bundle.pack(first), bundle.pack(second)
    assert packed.content == again.content
    assert packed.digest == again.digest
    assert packed.names == ("a.txt", "b/two.sh", "é" * 60 + "/" + "n" * 90)


def test_a_changed_byte_name_or_execute_bit_changes_the_digest(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"run.sh": "echo"})
    digests = {bundle.pack(folder).digest}
    (folder / "run.sh").chmod(0o755)
    digests.add(bundle.pack(folder).digest)
    (folder / "run.sh").write_text("echo!")
    digests.add(bundle.pack(folder).digest)
    (folder / "run.sh").rename(folder / "go.sh")
    digests.add(bundle.pack(folder).digest)
    assert len(digests) == 4


def test_members_tell_nothing_of_the_machine(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"run.sh": "echo", "conf": "x"})
    (folder / "run.sh").chmod(0o775)
    for member in members_of(bundle.pack(folder)):
        assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (0, 0, "", "", 0)
        assert member.mode == (0o755 if member.name == "run.sh" else 0o644)


def test_what_is_not_content_is_left_out(tmp_path: Path) -> None:
    ignore = "# notes\n*.log\nbuild/\nfiles/secret.txt\n"
    files = {
        ".imagefactoryignore": ignore,
        ".git/config": "x",
        ".vscode/settings.json": "x",
        "a.sh~": "x",
        "image.yaml": "x",
        "deep/image.yaml": "kept",
        "deep/x.log": "x",
        "build/out": "x",
        "deep/build": "a file named build is kept",
        "files/secret.txt": "x",
        "other/secret.txt": "kept",
    }
    packed = bundle.pack(folder_with(tmp_path, files))
    assert packed.names == ("deep/build", "deep/image.yaml", "other/secret.txt")


def test_only_the_named_parts_are_packed(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"platform/a": "1", "roles/b": "2", "catalog.json": "{}", "team/c": "3"})
    packed = bundle.pack(folder, only=("platform", "roles", "catalog.json"))
    assert packed.names == ("catalog.json", "platform/a", "roles/b")


def test_everything_that_cannot_be_packed_is_reported_at_once(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"good": "x", "back\\slash": "x", "new\nline": "x"})
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "links").symlink_to(tmp_path.parent, target_is_directory=True)
    os.mkfifo(folder / "pipe")
    found = "\n".join(refusal_of(folder))
    assert found.count("is a link") == 2
    assert "pipe: is not an ordinary file" in found
    assert found.count("backslash or a control character") == 2


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name may have 108 characters only
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert refusal_of(tmp_path) == [
            "socket: is not an ordinary file; remove it, or list it in .imagefactoryignore"
        ]


def test_a_folder_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as stream:
        stream.truncate(bundle.UNPACKED_LIMIT + 1)  # sparse: takes no disk
    (found,) = refusal_of(tmp_path)
    assert "the largest is huge" in found


@pytest.mark.slow
def test_content_that_does_not_compress_is_held_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(os.urandom(bundle.COMPRESSED_LIMIT + 1))
    (found,) = refusal_of(tmp_path)
    assert "compressed" in found


@pytest.mark.slow
def test_too_many_files_are_refused(tmp_path: Path) -> None:
    for number in range(bundle.MEMBER_LIMIT + 1):
        (tmp_path / f"{number}").touch()
    (found,) = refusal_of(tmp_path)
    assert "2,001 files" in found


def test_an_empty_folder_is_a_bundle_too(tmp_path: Path) -> None:
    packed = bundle.pack(folder_with(tmp_path, {"image.yaml": "x"}))
    assert packed.names == ()


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert "is not a folder" in refusal_of(tmp_path / "none")[0]


def test_exceptions_in_the_ignore_file_are_refused_not_ignored(tmp_path: Path) -> None:
    folder_with(tmp_path, {".imagefactoryignore": "*.log\n!keep.log\n", "keep.log": "x"})
    assert "'!keep.log'" in refusal_of(tmp_path)[0]
