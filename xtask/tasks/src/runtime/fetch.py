"""Fetches one source archive and unpacks it: ARCHIVE SHA256 FOLDER URL...

Ends with 76 if nothing but wrong content could be had, with 69 if nothing at all,
with 73 if the disk is full, and with 127 if this Python cannot unpack the archive.
"""

import errno
import hashlib
import http.client
import os
import sys
import tarfile
import urllib.request

WRONG, UNREACHABLE, FULL, MISSING = 76, 69, 73, 127


class NotThere(Exception):
    """An address has not given all that it should."""


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def blocks(url):
    """What an address gives; whatever is wrong with it is NotThere."""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "eryx-xtask"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            wanted = int(reply.headers.get("Content-Length") or 0)
            got = 0
            while block := reply.read(1 << 18):
                got += len(block)
                yield block
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotThere(str(error) or type(error).__name__) from error
    if got < wanted:
        raise NotThere(f"broken off after {got} of {wanted} bytes")


def download(url, path):
    with open(path, "wb") as file:
        for block in blocks(url):
            # Not within `blocks`: a full disk is no fault of the address.
            file.write(block)
            print("downloaded", file.tell())


def fetch(archive, wanted, urls):
    tried = []
    status = UNREACHABLE
    partial = archive + ".partial"
    for url in urls:
        try:
            download(url, partial)
        except NotThere as error:
            tried.append(f"  {url}: {error}")
            continue
        found = digest(partial)
        if found == wanted:
            os.replace(partial, archive)
            return
        status = WRONG
        tried.append(f"  {url}: wrong content, sha256 {found}")
    print(f"no source for {os.path.basename(archive)} (sha256 {wanted}) could be had. Tried:")
    print("\n".join(tried) or "  nothing: no address is known")
    print(f"Put the file at {archive} by hand, or make one of these reachable, and run this again.")
    sys.exit(status)


def unpack(archive, folder):
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "tar_filter"):
            tar.extraction_filter = tarfile.tar_filter
        tar.extractall(folder)


def main():
    archive, wanted, folder, *urls = sys.argv[1:]
    try:
        if not os.path.exists(archive) or digest(archive) != wanted:
            fetch(archive, wanted, urls)
        unpack(archive, folder)
    except tarfile.TarError as error:
        # The content is right: what is not is this Python, which was built without lzma.
        print(f"{sys.executable} cannot unpack {archive}: {error}")
        sys.exit(MISSING)
    except OSError as error:
        print(f"{archive} cannot be written: {error}")
        sys.exit(FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else 1)


main()
