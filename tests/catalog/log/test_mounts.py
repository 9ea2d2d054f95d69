"""Which file system a folder stands on."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.errors import UnsafeStore
from catalog.log import mounts
from catalog.log.local import LocalLog
from tests.catalog.log.builders import FakeClock

MOUNTINFO = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home rw - nfs4 server:/home rw
31 30 8:2 / /home/ada/my\040disk rw - xfs /dev/sdb rw
40 22 0:41 / /srv rw master:1 - ext4 /dev/sdc rw
41 22 0:42 / /srv rw - fuse.sshfs ada@server:/srv rw
50 22 0:43 / /lab rw - fuse.forgetful forgetful rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "filesystem"),
    [
        ("/var/log", "ext4"),
        ("/homework", "ext4"),
        ("/home/ada", "nfs4"),
        ("/home/ada/my disk/log", "xfs"),
        ("/srv", "fuse.sshfs"),
        ("/lab/log", "fuse.forgetful"),
    ],
)
def test_the_longest_and_latest_mount_decides(path: str, filesystem: str) -> None:
    assert mounts.filesystem_of(MOUNTINFO, Path(path)) == filesystem


def test_nothing_is_known_without_mounts() -> None:
    assert mounts.filesystem_of("", Path("/")) is None


@pytest.mark.parametrize("filesystem", ["nfs", "nfs4", "cifs", "9p", "ceph", "fuse.sshfs", "fuse.s3fs"])
def test_network_file_systems_are_refused(filesystem: str) -> None:
    assert mounts.is_network(filesystem)


@pytest.mark.parametrize("filesystem", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuse.forgetful"])
def test_local_ones_are_not(filesystem: str) -> None:
    assert not mounts.is_network(filesystem)


def test_a_log_refuses_a_network_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "filesystem_of", lambda mountinfo, path: "nfs4")
    with pytest.raises(UnsafeStore):
        LocalLog(tmp_path / "log", FakeClock())
