"""Which file systems cannot keep the log's promise: a lock and a sync there may hold on one machine only."""

from __future__ import annotations

import os
from pathlib import Path

from catalog.errors import UnsafeStore

# fmt: off
_NETWORK = frozenset(
    (
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs",
        "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb", "smb2", "smb3", "smbfs",
    )
)
_NETWORK_FUSE = frozenset(
    (
        "blobfuse", "blobfuse2", "ceph", "ceph-fuse", "cephfs", "curlftpfs", "davfs", "davfs2", "gcsfuse",
        "geesefs", "glusterfs", "goofys", "gpfs", "juicefs", "lizardfs", "mfs", "moosefs", "mount-s3",
        "rclone", "s3fs", "s3ql", "seaweedfs", "smbnetfs", "sshfs",
    )
)
# fmt: on


def is_network(filesystem: str) -> bool:
    """Whether a type as the kernel names it (`nfs4`, `fuse.sshfs`) is reached over a network."""
    if filesystem.startswith("fuse."):
        return filesystem.removeprefix("fuse.") in _NETWORK_FUSE
    return filesystem in _NETWORK


def filesystem_of(mountinfo: str, path: Path) -> str | None:
    """The type of the file system an absolute path stands on, by the text of /proc/self/mountinfo."""
    best: tuple[int, str] | None = None
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        fields = mount.split()
        if len(fields) < 5 or not source:
            continue
        point = Path(os.fsdecode(os.fsencode(fields[4]).decode("unicode_escape").encode("latin-1")))
        # The later of two mounts on one point is the one that is seen.
        if path.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = (len(point.parts), source.split()[0])
    return best[1] if best else None


def refuse_network(root: Path) -> None:
    """Raise UnsafeStore when a folder stands on a network file system."""
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return
    filesystem = filesystem_of(mountinfo, root.resolve())
    if filesystem is not None and is_network(filesystem):
        hint = "put the log on a disk of this machine"
        raise UnsafeStore("the log is on a network file system", hint=hint, filesystem=filesystem)
